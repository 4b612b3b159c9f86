package enrich

import (
	"bytes"
	"strings"
)

const commMax = 15 // TASK_COMM_LEN without its zero

// fullName is comm, as ps and ss show it: the script's name for a script with #!, what a process
// calls itself where it does. The kernel keeps 15 bytes of it; a comm that long is completed from
// the program, its name (argv[0]) or the script (argv[1]), whichever begins with it.
func fullName(comm, exe string, args []byte) string {
	if len(comm) < commMax {
		return comm
	}
	arg0, rest, _ := bytes.Cut(args, []byte{0})
	arg1, _, _ := bytes.Cut(rest, []byte{0})
	for _, path := range []string{exe, string(arg0), string(arg1)} {
		// A login shell's argv[0] begins with a dash; titles ("nginx: worker process") go on after the name.
		base := strings.TrimPrefix(path[strings.LastIndexByte(path, '/')+1:], "-")
		if strings.HasPrefix(base, comm) && !strings.ContainsAny(base, " :") {
			return base
		}
	}
	return comm
}

// joinArgs makes a line of a zero-separated list. What the bytes do to a terminal is the output's care.
func joinArgs(args []byte) string {
	return string(bytes.ReplaceAll(bytes.TrimRight(args, "\x00"), []byte{0}, []byte{' '}))
}
