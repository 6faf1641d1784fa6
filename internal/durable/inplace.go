package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// Some names cannot be given to another file. A platform may have mounted the file alone,
// so that its name is a mount point, or the directory may be read-only. Such a file can
// only be written in place.
//
// Update keeps a whole copy in the file itself at every instant. It takes these steps, and
// syncs the file after each of them:
//
//  1. append a record with the new content and its checksum, behind the end of both the
//     old and the new content,
//  2. write the new content at the beginning,
//  3. cut the file after it.
//
// [Newest] understands a file after any of these steps, and in the middle of one.

// Update is like [Write]. Where the directory does not give the name to another file, it
// writes the file in place. Read such a file with [Newest]. own looks at the open file
// before Update writes it, and may refuse it: the new file, because a file system may
// give it another owner or mode, or the one to be written in place. The data end with a
// newline.
//
// If Update returns an error, the file has the old or the new content.
func Update(dir *os.Root, name string, data []byte, own func(fs.FileInfo) error) error {
	return osDisk.update(dir, name, data, own)
}

func (d disk) update(dir *os.Root, name string, data []byte, own func(fs.FileInfo) error) error {
	return d.inPlaceIfRefused(dir, name, own, func() error { return d.write(dir, name, data, own) },
		func(f *os.File) error { return d.overwrite(f, data) })
}

// Renew is to [Update] what [Replace] is to [Write]. It writes in place with one step and
// no copy, so a crash in it may leave a mixture of both contents. Readers at that instant
// may see one, or newlines behind the content.
func Renew(dir *os.Root, name string, data []byte, own func(fs.FileInfo) error) error {
	return osDisk.inPlaceIfRefused(dir, name, own, func() error { return osDisk.place(dir, name, data, own, osDisk.rename) },
		func(f *os.File) error { return osDisk.rewrite(f, data) })
}

// Clear removes the file. Where the directory does not allow that, it empties the file.
func Clear(dir *os.Root, name string, own func(fs.FileInfo) error) error {
	return osDisk.inPlaceIfRefused(dir, name, own, func() error { return dir.Remove(name) },
		func(f *os.File) error { return osDisk.truncate(f, 0) })
}

func (d disk) inPlaceIfRefused(dir *os.Root, name string, own func(fs.FileInfo) error, rename func() error, inPlace func(*os.File) error) error {
	var refusal error
	if !d.mounted(dir, name) {
		if refusal = rename(); !Refused(refusal) {
			return refusal
		}
	}
	f, err := openInPlace(dir, name, own)
	if errors.Is(err, fs.ErrNotExist) && refusal != nil {
		return refusal
	} else if err != nil {
		return neither(refusal, err)
	}
	return errors.Join(inPlace(f), f.Close())
}

// neither tells why a file can be neither replaced nor written in place. There is no
// refusal if nobody tried to replace a mounted file.
func neither(refusal, inPlace error) error {
	if refusal == nil {
		return fmt.Errorf("it is mounted, and it cannot be written in place: %w", inPlace)
	}
	return fmt.Errorf("it cannot be replaced (%w), and it cannot be written in place: %w", refusal, inPlace)
}

func openInPlace(dir *os.Root, name string, own func(fs.FileInfo) error) (*os.File, error) {
	f, err := dir.OpenFile(name, os.O_RDWR|noWait, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = own(info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// tokenSize is how much space there must be for a token, in bytes.
const tokenSize = 16 << 10

// Updatable returns an error if Update, Renew or Write of a token would certainly fail. It
// does the same as they do without changing the file: it writes a temporary file and
// removes it, or opens the file for writing and reserves space.
func Updatable(dir *os.Root, name string, own func(fs.FileInfo) error) error {
	return osDisk.updatable(dir, name, tokenSize, own)
}

func (d disk) updatable(dir *os.Root, name string, size int, own func(fs.FileInfo) error) error {
	var refusal error
	mounted := d.mounted(dir, name)
	if !mounted {
		if refusal = d.try(dir, name, size, own); refusal != nil && !Refused(refusal) {
			return refusal
		}
	}
	f, err := openInPlace(dir, name, own)
	switch {
	case err == nil && (mounted || refusal != nil):
		return errors.Join(reserve(f, size), f.Close())
	case err == nil:
		return f.Close()
	case refusal != nil && errors.Is(err, fs.ErrNotExist):
		return refusal
	case refusal == nil && !mounted && !immutable(err):
		return nil // a rename needs no access to the file that goes away
	case refusal == nil && !mounted:
		return err
	}
	return neither(refusal, err)
}

// try writes a temporary file and removes it.
func (d disk) try(dir *os.Root, name string, size int, own func(fs.FileInfo) error) error {
	return d.place(dir, name, make([]byte, size), own, func(*os.Root, string, string) error { return nil })
}

// mark begins a record. Contents do not hold it.
const mark = "\n#replaced by sha256:"

// record returns the record of a new content.
func record(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(fmt.Appendf(nil, "%s%x %d\n", mark, sum, len(data)), data...)
}

// parseRecord returns the content in a whole record.
func parseRecord(raw []byte) ([]byte, bool) {
	header, data, found := bytes.Cut(raw[len(mark):], []byte("\n"))
	sum, size, spaced := bytes.Cut(header, []byte(" "))
	length, err := strconv.Atoi(string(size))
	if !found || !spaced || err != nil || length < 0 || length > len(data) {
		return nil, false
	}
	data = data[:length]
	want := sha256.Sum256(data)
	return data, string(sum) == hex.EncodeToString(want[:])
}

// Newest returns the content of a file that [Update] may have written in place: that of a
// whole record, or what stands before a record that was not finished. There may be
// newlines behind it.
func Newest(raw []byte) []byte {
	if data, found := newest(raw); found {
		return data
	}
	end := len(raw)
	if i := bytes.Index(raw, []byte(mark)); i >= 0 {
		end = i
	}
	hole := bytes.IndexByte(raw[:end], 0) // a crash may leave one in place of the record
	if hole == 0 || hole > 0 && (raw[hole-1] == '\n' || partOfMark(raw[:hole]) > 0) {
		end = hole
	}
	return raw[:end-partOfMark(raw[:end])]
}

func newest(raw []byte) ([]byte, bool) {
	for rest := raw; ; {
		i := bytes.Index(rest, []byte(mark))
		if i < 0 {
			return nil, false
		}
		if data, whole := parseRecord(rest[i:]); whole {
			return data, true
		}
		rest = rest[i+1:]
	}
}

// partOfMark returns how many bytes at the end are the beginning of a mark. A newline
// alone is none.
func partOfMark(raw []byte) int {
	for n := len(mark) - 1; n > 1; n-- {
		if bytes.HasSuffix(raw, []byte(mark[:n])) {
			return n
		}
	}
	return 0
}

// largest bounds a file that is written in place, in bytes.
const largest = 1 << 20

// overwrite takes the steps of Update.
func (d disk) overwrite(f *os.File, data []byte) error {
	raw, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil {
		return err
	}
	if len(raw) > largest || bytes.Contains(data, []byte(mark)) || !bytes.HasSuffix(data, []byte("\n")) {
		return fmt.Errorf("%s cannot be written in place: the file is too large, or the content has a form that Newest would misread", f.Name())
	}
	old, unfinished := newest(raw)
	if unfinished { // finish what a killed process began
		err = d.finish(f, old)
	} else if old = Newest(raw); len(old) < len(raw) {
		err = d.step(f, d.truncate(f, int64(len(old))))
	}
	if err == nil {
		err = d.announce(f, data, old)
	}
	if err != nil {
		return err
	}
	return d.finish(f, data)
}

// announce takes the first step. A newline between the content and the record tells where
// the record begins, even if a crash leaves a hole.
func (d disk) announce(f *os.File, data, old []byte) error {
	end := int64(len(old))
	err := error(nil)
	text := append(bytes.Repeat([]byte("\n"), max(0, len(data)-len(old))), record(data)...)
	if end > 0 && old[end-1] != '\n' {
		err = d.step(f, d.writeAt(f, []byte("\n"), end))
		text = append([]byte("\n"), text...) // its first byte is there already
	}
	if err == nil {
		err = d.step(f, d.writeAt(f, text, end))
	}
	if err != nil {
		return errors.Join(err, d.truncate(f, end))
	}
	return nil
}

// finish takes the last two steps.
func (d disk) finish(f *os.File, data []byte) error {
	if err := d.step(f, d.writeAt(f, data, 0)); err != nil {
		return err
	}
	return d.step(f, d.truncate(f, int64(len(data))))
}

// step syncs the file after a step.
func (d disk) step(f *os.File, err error) error {
	if err != nil {
		return err
	}
	return d.sync(f)
}

// rewrite writes the content with one step. Newlines cover the rest of a longer one. A
// disk without space for a longer one leaves the file alone.
func (d disk) rewrite(f *os.File, data []byte) error {
	info, err := f.Stat()
	if err == nil {
		err = reserve(f, max(0, len(data)-int(info.Size())))
	}
	if err != nil {
		return err
	}
	rest := min(max(0, info.Size()-int64(len(data))), largest)
	covering := append(bytes.Clone(data), bytes.Repeat([]byte("\n"), int(rest))...)
	if err := d.writeAt(f, covering, 0); err != nil {
		return err
	}
	return d.step(f, d.truncate(f, int64(len(data))))
}

func writeAt(f *os.File, data []byte, at int64) error {
	_, err := f.WriteAt(data, at)
	return err
}
