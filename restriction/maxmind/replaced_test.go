package maxmind_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction/maxmind"
)

// roleVariable makes this binary a process that looks addresses up.
const roleVariable = "MAXMIND_TEST_ROLE"

var roles = map[string]func(string) (*maxmind.Locator, error){"Open": maxmind.Open, "OpenMapped": maxmind.OpenMapped}

func TestMain(m *testing.M) {
	open, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := beService(open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beService is a service with a database. It reads a line for each round: an empty one
// makes it look up, and "reload" makes it reload first. It answers with the countries.
func beService(open func(string) (*maxmind.Locator, error)) error {
	path := os.Args[1]
	locator, err := open(path)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "reload" {
			if err := locator.Reload(path); err != nil {
				fmt.Println(err)
				continue
			}
		}
		var found []string
		for i := range 256 {
			country, err := locator.Country(context.Background(), netip.AddrFrom4([4]byte{10, byte(i), 0, 1}))
			if err != nil {
				country = err.Error()
			}
			found = append(found, country)
		}
		fmt.Println(strings.Join(found, " "))
	}
	return locator.Close()
}

// service is a process in a role.
type service struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	fatal strings.Builder
}

func startService(t *testing.T, role, path string) *service {
	t.Helper()
	s := &service{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], path)}
	s.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	s.cmd.Stderr = &s.fatal
	var err error
	s.in, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.out = bufio.NewReader(out)
	require.NoError(t, s.cmd.Start())
	return s
}

// ask makes one round. It returns an error if the process has died.
func (s *service) ask(line string) (string, error) {
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		return "", err
	}
	answer, err := s.out.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// large returns a database of many pages, in which all addresses of 10.0.0.0/8 are in one
// country.
func large(t *testing.T, country string) []byte {
	t.Helper()
	networks := make(map[string]string)
	for i := range 256 {
		for j := range 16 {
			networks[fmt.Sprintf("10.%d.%d.0/24", i, 16*j)] = country
		}
		networks[fmt.Sprintf("2001:db8:%x::/48", i)] = country
	}
	return database(t, "GeoLite2-Country", networks)
}

// An update truncates the file in place and writes it anew, as cp does. The service
// continues with what it has, and takes the new database when it is told to.
//
// proves P2
func TestFileIsReplacedInPlace(t *testing.T) {
	path := write(t, large(t, "DE"))
	german := strings.TrimSpace(strings.Repeat("DE ", 256))
	s := startService(t, "Open", path)
	answer, err := s.ask("")
	require.NoError(t, err)
	require.Equal(t, german, answer)
	next := large(t, "FR")
	for _, end := range []int{0, 1, 4096, len(next) / 2, len(next) - 1} {
		require.NoError(t, os.WriteFile(path, next[:end], 0o600))
		answer, err = s.ask("")
		require.NoError(t, err, "%d: %s", end, &s.fatal)
		require.Equal(t, german, answer, end)
		answer, err = s.ask("reload")
		require.NoError(t, err, "%d: %s", end, &s.fatal)
		require.Contains(t, answer, "not complete", end)
	}
	require.NoError(t, os.WriteFile(path, next, 0o600))
	answer, err = s.ask("reload")
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(german, "DE", "FR"), answer)
	require.NoError(t, s.in.Close())
	require.NoError(t, s.cmd.Wait())
	require.Empty(t, s.fatal.String())
}

// With the mapped file, the same update kills the service. So the test above shows
// something, and the warning of OpenMapped is true. A renamed update is harmless.
func TestMappedFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system maps no files")
	}
	path := write(t, large(t, "DE"))
	s := startService(t, "OpenMapped", path)
	answer, err := s.ask("")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".new", large(t, "FR"), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	again, err := s.ask("")
	require.NoError(t, err)
	require.Equal(t, answer, again)
	answer, err = s.ask("reload")
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(again, "DE", "FR"), answer)

	require.NoError(t, os.Truncate(path, 0))
	_, err = s.ask("")
	require.Error(t, err)
	require.Error(t, s.cmd.Wait())
	require.Contains(t, s.fatal.String(), "SIGBUS")
}

// Requests run while an update writes the file in place and the program reloads. Each
// request gets the country of a whole database.
//
// proves P2
func TestRequestsDuringUpdates(t *testing.T) {
	contents := [][]byte{large(t, "DE"), large(t, "FR")}
	path := write(t, contents[0])
	locator, err := maxmind.Open(path)
	require.NoError(t, err)
	stop := make(chan struct{})
	var group, writer sync.WaitGroup
	for i := range 4 {
		address := netip.AddrFrom4([4]byte{10, byte(i), 0, 1})
		group.Go(func() {
			for {
				if country, err := locator.Country(context.Background(), address); err != nil || country != "DE" && country != "FR" {
					t.Errorf("got %q, %v", country, err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	writer.Go(func() {
		for i := range 20 {
			if err := os.WriteFile(path, contents[i%2], 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	group.Go(func() {
		for range 40 {
			if err := locator.Reload(path); err != nil && !errors.As(err, new(*maxmind.DatabaseError)) {
				t.Error(err)
			}
		}
	})
	writer.Wait()
	require.NoError(t, locator.Reload(path))
	close(stop)
	group.Wait()
	country, err := locator.Country(t.Context(), netip.MustParseAddr("10.0.0.1"))
	require.NoError(t, err)
	require.Equal(t, "FR", country)
}
