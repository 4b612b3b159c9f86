package dpi

import (
	"bytes"
	"slices"

	"rustnet/track/event"
)

var (
	fieldGitCommand = event.AppString("git_command", "Service that the client asked for, such as git-upload-pack.").Spelt(gitCommandForm)
	fieldGitPath    = event.AppString("git_path", "Repository that the client asked for.")
	fieldGitHost    = event.AppString("git_host", "Host that the client named.")
)

var gitCommandForm = event.OneOf(gitCommands...).Meaning(func(text string) string { return "git-" + text })

var gitFields = []*event.AppField{fieldGitCommand, fieldGitPath, fieldGitHost}

var gitCommands = []string{"git-upload-pack", "git-receive-pack", "git-upload-archive"}

// gitServer is how a server's answer begins in version 2 (gitprotocol-v2(5)).
const gitServer = "000eversion 2\n"

var gitFirst = bytesIn("0", 1, 0)

// parseGit reads the request of git's own transport (gitprotocol-pack(5)): one packet line,
// "git-upload-pack /path\0host=name\0", perhaps with "\0version=2\0" behind.
func parseGit(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) >= len(gitServer) && string(b[:len(gitServer)]) == gitServer && c.unheard() {
		c.setClient(1 - c.side)
		return c.finish()
	}
	size := 0
	for i := range min(len(b), 4) {
		n := bytes.IndexByte([]byte("0123456789abcdef"), b[i])
		if n < 0 {
			return no
		}
		size = size<<4 | n
	}
	const prefix = "git-"
	if len(b) >= 4 && len(b) < len(gitServer) && v.begins(gitServer) == more && c.unheard() {
		return more
	}
	if len(b) > 4 && !bytes.HasPrefix(b[4:], []byte(prefix)[:min(len(b)-4, len(prefix))]) || len(b) >= 4 && (size < 4+len("git-upload-pack /")+1 || size > 4<<10) {
		return no
	}
	if len(b) < 4 || len(b) < size {
		if v.gap || v.fin {
			return no
		}
		return more
	}
	request, rest, ended := bytes.Cut(b[4:size], []byte{0})
	command, path := cutWord(request)
	if !slices.Contains(gitCommands, string(command)) {
		return no
	}
	if !ended || b[size-1] != 0 || len(path) == 0 || !textLine(path) {
		return no
	}
	c.setClient(c.side)
	c.edit()
	c.setOnce(fieldGitCommand, command)
	c.setOnce(fieldGitPath, c.shownPath(path))
	if host, _, ok := bytes.Cut(rest, []byte{0}); ok {
		if name, is := bytes.CutPrefix(host, []byte("host=")); is && printable(name) {
			c.setOnce(fieldGitHost, withoutUser(name))
		}
	}
	c.know()
	return done
}
