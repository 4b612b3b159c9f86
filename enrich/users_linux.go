package enrich

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"time"

	"rustnet/track/event"
)

// users names the users of a passwd file. Users of other directories (LDAP, systemd) have no name
// here: asking those needs the C library.
type users struct {
	path  string
	now   func() time.Time
	names map[uint32]string
	procs map[uint32]*event.Proc // published, for sockets of which only the user is known
	mtime time.Time
	asked time.Time
}

const (
	usersFor = 5 * time.Second // a changed file is noticed after so long
	usersMax = 1024            // values kept
)

// proc makes the value that says no more than the user.
func (u *users) proc(uid uint32) *event.Proc {
	name := u.name(uid)
	if v := u.procs[uid]; v != nil && v.User == name {
		return v
	}
	if u.procs == nil || len(u.procs) >= usersMax {
		u.procs = map[uint32]*event.Proc{}
	}
	v := &event.Proc{HasUID: true, UID: uid, User: name, Source: sourceSockDiag}
	u.procs[uid] = v
	return v
}

func (u *users) name(uid uint32) string {
	if now := u.now(); u.names == nil || now.Sub(u.asked) >= usersFor {
		u.asked = now
		u.refresh()
	}
	return u.names[uid]
}

func (u *users) refresh() {
	st, err := os.Stat(u.path)
	if err != nil || u.names != nil && st.ModTime().Equal(u.mtime) {
		if u.names == nil {
			u.names = map[uint32]string{}
		}
		return
	}
	f, err := os.Open(u.path)
	if err != nil {
		return
	}
	defer f.Close()
	u.names, u.mtime = map[uint32]string{}, st.ModTime()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// name:password:uid:… (passwd(5)); the first of several names counts, as for getpwuid
		f := strings.SplitN(lines.Text(), ":", 4)
		if len(f) < 4 || strings.HasPrefix(f[0], "#") {
			continue
		}
		uid, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			continue
		}
		if _, ok := u.names[uint32(uid)]; !ok {
			u.names[uint32(uid)] = f[0]
		}
	}
}
