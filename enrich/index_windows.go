package enrich

import (
	"unsafe"

	"golang.org/x/sys/windows"

	"rustnet/track/event"
)

// sourceTable is what process_source says here: GetExtendedTcpTable of IP Helper gives a socket's process.
const sourceTable = "iphlpapi"

// The kernel's own, as those of files that are shared.
const (
	systemPID  = 4
	systemName = "System"
)

// processList is every process there is.
func processList() (map[uint32]entry, error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, err
	}
	defer windows.CloseHandle(snapshot)
	all := map[uint32]entry{}
	row := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snapshot, &row); err == nil; err = windows.Process32Next(snapshot, &row) {
		all[row.ProcessID] = entry{parent: row.ParentProcessID, name: windows.UTF16ToString(row.ExeFile[:])}
	}
	return all, nil
}

// held is a process that cannot go meanwhile; 0 where we may not have it.
type held windows.Handle

func hold(pid uint32) (held, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	return held(h), err
}

func (h held) close() { windows.CloseHandle(windows.Handle(h)) }

// began is when it did, in nanoseconds since the epoch; 0 where it is not told.
func (h held) began() int64 {
	var made, ended, kernel, user windows.Filetime
	if windows.GetProcessTimes(windows.Handle(h), &made, &ended, &kernel, &user) != nil {
		return 0
	}
	return made.Nanoseconds()
}

func (h held) executable() string {
	if h == 0 {
		return ""
	}
	for size := uint32(windows.MAX_PATH); size <= 1<<15; size *= 4 {
		buf, n := make([]uint16, size), size
		switch err := windows.QueryFullProcessImageName(windows.Handle(h), 0, &buf[0], &n); err {
		case nil:
			return windows.UTF16ToString(buf[:n])
		case windows.ERROR_INSUFFICIENT_BUFFER:
		default:
			return ""
		}
	}
	return ""
}

// commandLine is as the program was started with: one text, which each program divides by itself. Windows 8.1 has it.
func (h held) commandLine() string {
	if h == 0 {
		return ""
	}
	var size uint32
	_ = windows.NtQueryInformationProcess(windows.Handle(h), windows.ProcessCommandLineInformation, nil, 0, &size) // how long it is
	if size < uint32(unsafe.Sizeof(windows.NTUnicodeString{})) || size > 1<<17 {
		return ""
	}
	buf := make([]uint64, size/8+1) // begins with the text's description, which points behind itself
	if windows.NtQueryInformationProcess(windows.Handle(h), windows.ProcessCommandLineInformation, unsafe.Pointer(&buf[0]), size, &size) != nil {
		return ""
	}
	return (*windows.NTUnicodeString)(unsafe.Pointer(&buf[0])).String()
}

// user names the account whose process it is, with the domain or the machine that knows it.
func (h held) user(x *index, of *event.Proc) {
	var token windows.Token
	if h == 0 || windows.OpenProcessToken(windows.Handle(h), windows.TOKEN_QUERY, &token) != nil {
		return
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return
	}
	sid := user.User.Sid.String()
	if _, known := x.names[sid]; !known {
		if name, domain, _, err := user.User.Sid.LookupAccount(""); err != nil {
			x.names[sid] = sid // which is what is known of it
		} else if x.names[sid] = name; domain != "" {
			x.names[sid] = domain + `\` + name
		}
	}
	of.User = x.names[sid]
}
