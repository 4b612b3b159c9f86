// Package beside is what writers and readers of a store have in common: it keeps the files beside the store to whom that belongs, and
// the store from doing anything.
package beside

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ncruces/go-sqlite3"

	"rustnet/track/event"
)

// Name is the path of a store in a form that SQLite has no other meaning for: :memory: is no file to it, file:x is x.
func Name(path string) string {
	if strings.HasPrefix(path, ":") || strings.HasPrefix(path, "file:") {
		return "./" + path
	}
	return path
}

// Reading is the name of a store that is only read. On a read-only file system nothing changes it, and nothing can be made beside it; as
// long as a log is there, not all of it is in the one file.
func Reading(path string) string {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		f.Close()
	}
	if !errors.Is(err, syscall.EROFS) {
		return Name(path)
	}
	whole, err := filepath.Abs(path)
	if _, logged := os.Lstat(path + "-wal"); err != nil || !errors.Is(logged, fs.ErrNotExist) {
		return Name(path)
	}
	return "file://" + (&url.URL{Path: whole}).EscapedPath() + "?immutable=1"
}

// valueMax is how long a value may be, in bytes. The memory of the driver is bounded, and it panics where that does not do.
const valueMax = 4 << 20

// pathMax is how long the path of a store may be: the driver reads 1024 bytes of a name, with what the files beside it have more, and
// panics where it has no end.
const pathMax = 1000

// Fits tells of a path that is too long, before anything is made.
func Fits(path string) error {
	if len(path) > pathMax {
		return fmt.Errorf("its path is longer than the %d bytes that SQLite takes", pathMax)
	}
	return nil
}

// Confine lets a database be no more than tables: somebody else may have made it, and everything in it.
func Confine(db *sqlite3.Conn) error {
	for option, on := range map[sqlite3.DBConfig]bool{sqlite3.DBCONFIG_ENABLE_TRIGGER: false, sqlite3.DBCONFIG_ENABLE_VIEW: false,
		sqlite3.DBCONFIG_TRUSTED_SCHEMA: false, sqlite3.DBCONFIG_DEFENSIVE: true} {
		if _, err := db.Config(option, on); err != nil {
			return err
		}
	}
	db.Limit(sqlite3.LIMIT_LENGTH, valueMax)
	return nil
}

// Prepare gives the two files that SQLite keeps beside a store, which hold what was written last, the rights and the owner of the
// store, and makes them where they are not. The driver would make them by the umask: for everybody to read, and as
// root's beside the store of another user, who could then not write it any more. It is called before the store is opened. What
// cannot be done is left: who may only read a store makes no files beside it. One that is there and has another name, too, is an error: whoever
// may write to the folder could have us give them, and SQLite write to, any file.
func Prepare(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	var head [72]byte
	_, rerr := io.ReadFull(f, head[:])
	if of := binary.BigEndian.Uint32(head[68:]); err != nil || rerr != nil || !info.Mode().IsRegular() ||
		head[18] != 2 || of != event.StoreApplication && of != 0 { // a write-ahead log is what ours have; one that is being made says no more yet
		return nil
	}
	for _, end := range []string{"-wal", "-shm"} {
		b, err := os.OpenFile(path+end, os.O_RDWR|os.O_CREATE|noFollow, info.Mode().Perm())
		if err != nil {
			continue
		}
		if !alone(b) {
			b.Close()
			return fmt.Errorf("%s has another name, too (a hard link): it is not touched", path+end)
		}
		// By the umask it may have got less than the store has.
		if now, err := b.Stat(); err == nil && now.Mode().Perm() != info.Mode().Perm() {
			_ = b.Chmod(info.Mode().Perm()) // another user's: then it is as they made it
		}
		own(b, info)
		b.Close()
	}
	return nil
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
