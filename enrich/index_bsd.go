//go:build darwin || freebsd || netbsd || openbsd

package enrich

import (
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"

	"rustnet/track/event"
)

// sourceTable is what process_source says here: lists of the kernel's protocol control blocks give a socket's process.
const sourceTable = "pcblist"

// systemPID is the kernel's own.
const systemPID = 0

// processList is every process there is.
func processList() (map[uint32]entry, error) {
	rows, err := listProcesses()
	if err != nil {
		return nil, err
	}
	all := make(map[uint32]entry, len(rows))
	for _, p := range rows {
		all[p.pid] = entry{parent: p.parent, name: p.name}
	}
	return all, nil
}

// held is what was told of a process; nil where it is gone.
type held struct{ *row }

func hold(pid uint32) (held, error) {
	p, err := findProcess(pid)
	if err != nil {
		return held{}, err
	}
	if len(p) != 1 || p[0].pid != pid {
		return held{}, unix.ESRCH
	}
	return held{&p[0]}, nil
}

func (h held) close() {}

// began is when it did, in nanoseconds since the epoch.
func (h held) began() int64 { return h.row.began }

func (h held) executable() string {
	if h.row == nil {
		return ""
	}
	return executableOf(h.pid)
}

// commandLine is its arguments; some systems tell those of other users' processes to root only.
func (h held) commandLine() string {
	if h.row == nil {
		return ""
	}
	return joinArgs(argumentsFrom(h.pid))
}

// user names whose process it is.
func (h held) user(x *index, of *event.Proc) {
	if h.row == nil {
		return
	}
	of.HasUID, of.UID = true, h.uid
	id := strconv.FormatUint(uint64(of.UID), 10)
	if _, known := x.names[id]; !known {
		x.names[id] = ""
		if u, err := user.LookupId(id); err == nil {
			x.names[id] = u.Username
		}
	}
	of.User = x.names[id]
}
