package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/examples/internal/database"
)

// TestMain makes the test binary the launcher and its jobs too.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		if err := runRole(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise the race detector waits a second at each exit
	os.Exit(m.Run())
}

// program is the program with the launcher's files in a folder of the test.
type program struct {
	*supervisor
	out bytes.Buffer

	mu      sync.Mutex
	kills   int
	secrets map[string]bool // handed out by the mytoken service
}

// newProgram starts the site. Each time after the launcher has ended, it searches the
// table for secrets.
func newProgram(t *testing.T, kill killer) *program {
	t.Helper()
	p := &program{secrets: make(map[string]bool)}
	var err error
	p.supervisor, err = newSupervisor(t.Context(), t.TempDir(), &p.out, func(at point) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !kill(at) {
			return false
		}
		p.kills++
		return true
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.site.close()) })
	p.secrets[p.site.token.Reveal()] = true
	p.site.answered = p.learn
	p.ended = func() error {
		found, err := findSecrets(p.tables(p.dir), p.all())
		if err == nil && found > 0 {
			err = fmt.Errorf("the launcher's table holds %d secrets in clear", found)
		}
		return err
	}
	return p
}

// learn collects the secrets in an answer.
func (p *program) learn(body []byte) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return
	}
	for name, value := range members {
		var text string
		switch {
		case name == "token_update":
			p.learn(value)
		case (name == "mytoken" || name == "access_token" || name == "transfer_code") && json.Unmarshal(value, &text) == nil:
			p.mu.Lock()
			p.secrets[text] = true
			p.mu.Unlock()
		}
	}
}

// all returns all secrets that were handed out, also by the provider.
func (p *program) all() []string {
	all := p.site.service.Provider.Secrets()
	p.mu.Lock()
	defer p.mu.Unlock()
	for secret := range p.secrets {
		all = append(all, secret)
	}
	return all
}

// tables returns the files of a table.
func (p *program) tables(dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, tableFile+"*"))
	if err != nil {
		panic(err) // the pattern is fixed
	}
	return files
}

// findSecrets counts the secrets that files hold: as they are, encoded, or only the
// payload or the signature of a JWT.
func findSecrets(files, secrets []string) (found int, err error) {
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		for _, secret := range secrets {
			if holds(data, secret) {
				found++
			}
		}
	}
	return found, nil
}

func holds(data []byte, secret string) bool {
	const least = 20 // length of a part of a token that is searched for
	parts := []string{secret}
	if jwt := strings.Split(secret, "."); len(jwt) == 3 {
		parts = append(parts, jwt[1:]...) // the header is no secret
	}
	for _, part := range parts {
		if len(part) < least && part != secret {
			continue
		}
		for _, form := range forms(part) {
			if bytes.Contains(data, form) {
				return true
			}
		}
	}
	return false
}

// forms returns the ways in which text is often found in a file.
func forms(text string) [][]byte {
	wide := make([]byte, 0, 2*len(text))
	for _, unit := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	base := base64.RawStdEncoding.EncodeToString([]byte(text))
	return [][]byte{
		[]byte(text), wide, []byte(hex.EncodeToString([]byte(text))), []byte(base[:len(base)-2]),
	}
}

// tokensIn returns the sealed tokens of a table that nobody has open.
func tokensIn(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	db, _, err := database.Open(filepath.Join(dir, tableFile), "")
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT id, sealed FROM jobs WHERE sealed IS NOT NULL")
	require.NoError(t, err)
	defer rows.Close()
	sealed := make(map[string][]byte)
	for rows.Next() {
		var name string
		var data []byte
		require.NoError(t, rows.Scan(&name, &data))
		sealed[name] = data
	}
	require.NoError(t, rows.Err())
	return sealed
}
