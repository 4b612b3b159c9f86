// Package beside keeps the files beside a store to whom the store belongs.
package beside

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"rustnet/track/event"
)

// Name is the path of a store in a form that SQLite has no other meaning for: :memory: is no file to it, file:x is x.
func Name(path string) string {
	if strings.HasPrefix(path, ":") || strings.HasPrefix(path, "file:") {
		return "./" + path
	}
	return path
}

// Prepare gives the two files that SQLite keeps beside a store, which hold what was written last, the rights and the owner of the
// store, and makes them where they are not. The driver would make them by the umask: for everybody to read, and as
// root's beside the store of another user, who could then not write it any more. It is called before the store is opened. What
// cannot be done is left: who may only read a store makes no files beside it.
func Prepare(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	var head [72]byte
	_, rerr := io.ReadFull(f, head[:])
	if of := binary.BigEndian.Uint32(head[68:]); err != nil || rerr != nil || !info.Mode().IsRegular() ||
		head[18] != 2 || of != event.StoreApplication && of != 0 { // a write-ahead log is what ours have; one that is being made says no more yet
		return
	}
	for _, end := range []string{"-wal", "-shm"} {
		b, err := os.OpenFile(path+end, os.O_RDWR|os.O_CREATE|noFollow, info.Mode().Perm())
		if err != nil {
			continue
		}
		// By the umask it may have got less than the store has.
		if now, err := b.Stat(); err == nil && now.Mode().Perm() != info.Mode().Perm() {
			_ = b.Chmod(info.Mode().Perm()) // another user's: then it is as they made it
		}
		own(b, info)
		b.Close()
	}
}

// Withheld tells whether a file beside the store is there that who asks may not write. A reader with more rights makes it so for a
// moment, between making it and giving it away.
func Withheld(path string) bool {
	for _, end := range []string{"-wal", "-shm"} {
		b, err := os.OpenFile(path+end, os.O_RDWR|noFollow, 0)
		if errors.Is(err, fs.ErrPermission) {
			return true
		}
		if err == nil {
			b.Close()
		}
	}
	return false
}
