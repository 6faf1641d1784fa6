package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// contents are the contents that a file has, one after the other: longer ones and shorter
// ones, and one without a newline, which a user wrote.
var contents = []string{"", strings.Repeat("a", 1500), "short\n", strings.Repeat("b", 4200) + "\n", strings.Repeat("c", 4200) + "\n", "d\n"}

// operation is what the steps do with the file. A zero one syncs it.
type operation struct {
	data []byte
	at   int64
	cut  bool
}

func (o operation) syncs() bool { return o.data == nil && !o.cut }

// apply does a part of the operation with an image of the file.
func (o operation) apply(image []byte, written func(i int) bool) []byte {
	if o.cut {
		if written(0) {
			image = image[:o.at]
		}
		return image
	}
	for i, b := range o.data {
		if !written(i) {
			continue
		}
		at := int(o.at) + i
		if at >= len(image) {
			image = append(image, make([]byte, at+1-len(image))...) // a hole
		}
		image[at] = b
	}
	return image
}

// tape returns a disk that notes the operations.
func tape(to *[]operation) disk {
	d := osDisk
	d.mounted = func(*os.Root, string) bool { return true }
	d.writeAt = func(f *os.File, data []byte, at int64) error {
		*to = append(*to, operation{data: bytes.Clone(data), at: at})
		return writeAt(f, data, at)
	}
	d.truncate = func(f *os.File, size int64) error {
		*to = append(*to, operation{at: size, cut: true})
		return f.Truncate(size)
	}
	d.sync = func(*os.File) error { *to = append(*to, operation{}); return nil }
	return d
}

// update lets Update write over an image of a file. It returns the operations.
func update(t *testing.T, image []byte, data string) (done []operation) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, image, 0o600))
	root, err := os.OpenRoot(filepath.Dir(path))
	require.NoError(t, err)
	defer root.Close()
	d := tape(&done)
	require.NoError(t, d.update(root, "file", []byte(data), anyFile))
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, data, string(now), "nothing else is left in the file")
	return done
}

// A crash at any instant of a write in place leaves the old content or the new one: of the
// process, which stops in the middle of an operation, and of the machine, which loses any
// part of what was not synced. The next write continues from there.
//
// proves P5
func TestCrashDuringWriteInPlace(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	trim := func(b []byte) string { return strings.Trim(string(b), "\n") }
	crashes := 0
	for i, old := range contents {
		for j, data := range contents {
			if i == j || !strings.HasSuffix(data, "\n") {
				continue
			}
			operations := update(t, []byte(old), data)
			synced, waiting := []byte(old), []operation(nil)
			announced := false
			for _, o := range operations {
				if o.syncs() {
					for _, w := range waiting {
						synced = w.apply(synced, func(int) bool { return true })
					}
					waiting = nil
					announced = announced || bytes.Contains(synced, []byte(mark))
					continue
				}
				waiting = append(waiting, o)
				for range 25 {
					image := bytes.Clone(synced)
					for k, w := range waiting {
						lost := k < len(waiting)-1 || random.IntN(2) == 0
						if lost { // the machine stops: sectors of 512 bytes are lost
							keep := random.Uint64()
							image = w.apply(image, func(i int) bool { return keep>>((w.at+int64(i))/512%64)&1 == 1 })
						} else { // the process stops
							end := random.IntN(len(w.data) + 1)
							image = w.apply(image, func(i int) bool { return i < end || w.cut })
						}
					}
					crashes++
					got := trim(Newest(image))
					want := []string{trim([]byte(data))}
					if !announced {
						want = append(want, trim([]byte(old)))
					}
					require.True(t, slices.Contains(want, got), "%d to %d: %.80q", i, j, image)
					update(t, image, "next\n")
				}
			}
		}
	}
	require.Greater(t, crashes, 1000)
}

// Newest leaves everything alone that Update has not written.
func TestNewest(t *testing.T) {
	for _, text := range []string{"", "\n", "a", "a\n", "a\nb\n", "a\x00", "a b\x00\n", "#replaced by sha256:"} {
		require.Equal(t, text, string(Newest([]byte(text))))
	}
	whole := string(record([]byte("new\n")))
	for text, want := range map[string]string{
		"old\n" + whole: "new\n", "mix" + whole: "new\n", whole: "new\n", "old\n" + whole + "more": "new\n",
		"old\n" + whole[:len(whole)-1]: "old\n", "old\n" + mark: "old\n", "old\n" + mark[:5]: "old\n",
		"old\n\x00\x00\x00ed by sha256": "old\n", "old\n" + strings.Replace(whole, "new", "now", 1): "old\n",
		"old\n" + mark + "x" + whole: "new\n", "old\n" + mark + " -1\n": "old\n",
	} {
		got := strings.TrimRight(string(Newest([]byte(text))), "\n") + "\n"
		require.Equal(t, want, got, "%q", text)
	}
}

// Where the system refuses to replace a file, Update, Renew and Clear write it in place,
// and Updatable says so beforehand. Other errors leave the file alone.
func TestRefusedNames(t *testing.T) {
	for _, c := range []struct {
		err     error
		inPlace bool
	}{
		{syscall.EBUSY, true}, {syscall.EXDEV, true}, {syscall.EPERM, true}, {syscall.EACCES, true}, {syscall.EROFS, true},
		{syscall.ENOSPC, false}, {syscall.EIO, false}, {syscall.EDQUOT, false},
	} {
		if !Refused(c.err) && c.inPlace {
			t.Skip("this system does not tell why it refuses")
		}
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		require.NoError(t, err)
		defer root.Close()
		require.NoError(t, Write(root, "file", []byte("a longer old content\n")))
		before, err := root.Stat("file")
		require.NoError(t, err)
		d := osDisk
		d.mounted = func(*os.Root, string) bool { return false }
		d.rename = func(_ *os.Root, from, to string) error {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: c.err}
		}
		err = d.update(root, "file", []byte("new\n"), anyFile)
		text, readErr := root.ReadFile("file")
		require.NoError(t, readErr)
		names, readErr := os.ReadDir(dir)
		require.NoError(t, readErr)
		require.Len(t, names, 1)
		after, statErr := root.Stat("file")
		require.NoError(t, statErr)
		require.True(t, os.SameFile(before, after))
		if !c.inPlace {
			require.ErrorIs(t, err, c.err)
			require.Equal(t, "a longer old content\n", string(text))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "new\n", string(text))
		// A file that does not exist cannot be written in place.
		require.ErrorIs(t, d.update(root, "other", []byte("new\n"), anyFile), c.err)
		// The owner of the file may refuse.
		no := errors.New("not this one")
		require.ErrorIs(t, d.update(root, "file", []byte("x\n"), func(fs.FileInfo) error { return no }), no)
	}
}

// Updatable does not change the file, and finds what would make Update fail.
func TestUpdatable(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, Updatable(root, "file", anyFile), "there is none yet")
	require.NoError(t, Write(root, "file", []byte("old")))
	before, err := root.Stat("file")
	require.NoError(t, err)
	no := errors.New("not this one")
	refuse := func(info fs.FileInfo) error {
		if os.SameFile(before, info) {
			return no
		}
		return nil
	}
	require.NoError(t, Updatable(root, "file", refuse), "its name can be given to another file")
	for _, full := range []error{syscall.ENOSPC, syscall.EIO} {
		d := osDisk
		d.sync = func(*os.File) error { return full }
		require.ErrorIs(t, d.updatable(root, "file", 100, anyFile), full)
	}
	mounted := osDisk
	mounted.mounted = func(*os.Root, string) bool { return true }
	require.NoError(t, mounted.updatable(root, "file", 100, anyFile))
	require.ErrorIs(t, mounted.updatable(root, "file", 100, refuse), no)
	after, err := root.Stat("file")
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	requireOld(t, root)
}

// requireOld fails unless the directory has one file, with the old content.
func requireOld(t *testing.T, root *os.Root) {
	t.Helper()
	text, err := root.ReadFile("file")
	require.NoError(t, err)
	require.Equal(t, "old", string(text))
	names, err := os.ReadDir(root.Name())
	require.NoError(t, err)
	require.Len(t, names, 1)
}

// Some file systems give a new file another owner, or let everybody read it. It gets no
// content then, and the old one stays.
func TestNewFileIsForeign(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, Write(root, "file", []byte("old")))
	before, err := root.Stat("file")
	require.NoError(t, err)
	no := errors.New("everybody can read it")
	open := func(info fs.FileInfo) error {
		if os.SameFile(before, info) {
			return nil
		}
		require.Zero(t, info.Size())
		return no
	}
	for _, name := range []string{"file", "missing"} {
		require.ErrorIs(t, Updatable(root, name, open), no)
		require.ErrorIs(t, Update(root, name, []byte("new\n"), open), no)
		require.ErrorIs(t, Renew(root, name, []byte("new\n"), open), no)
	}
	requireOld(t, root)
}

// A write in place that fails in any operation leaves the old content or the new one.
func TestWriteInPlaceFails(t *testing.T) {
	broken := errors.New("the disk is broken")
	for failing := range 20 {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
		root, err := os.OpenRoot(filepath.Dir(path))
		require.NoError(t, err)
		defer root.Close()
		n := 0
		step := func(do func() error) error {
			if n++; n == failing+1 {
				return broken
			}
			return do()
		}
		d := osDisk
		d.mounted = func(*os.Root, string) bool { return true }
		d.writeAt = func(f *os.File, data []byte, at int64) error {
			return step(func() error { return writeAt(f, data, at) })
		}
		d.truncate = func(f *os.File, size int64) error { return step(func() error { return f.Truncate(size) }) }
		d.sync = func(f *os.File) error { return step(f.Sync) }
		err = d.update(root, "file", []byte("a longer one\n"), anyFile)
		text, readErr := os.ReadFile(path)
		require.NoError(t, readErr)
		got := strings.TrimSpace(string(Newest(text)))
		if err == nil {
			require.Equal(t, "a longer one", got)
			require.Greater(t, failing, 5)
			return
		}
		require.ErrorIs(t, err, broken)
		require.True(t, slices.Contains([]string{"old", "a longer one"}, got), "%q", text)
	}
	t.Fatal("there are more operations than expected")
}
