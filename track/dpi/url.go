package dpi

import "bytes"

// What may be shown of URLs, which carry secrets in three places: before the host, in the path's parameters, and behind the path.

// withoutUser takes away who logs in, which nobody is shown: "anna:password@host" is the host.
func withoutUser(host []byte) []byte {
	for {
		at := bytes.IndexByte(host, '@')
		if at < 0 {
			return host
		}
		host = host[at+1:]
	}
}

// shownURL is what may be shown of a URL in absolute form, or of a path.
func (c *call) shownURL(url []byte) []byte {
	if scheme := bytes.Index(url, []byte("://")); scheme >= 0 {
		start := scheme + len("://")
		end := start + bytes.IndexAny(url[start:], "/?#")
		if end < start {
			end = len(url)
		}
		if host := withoutUser(url[start:end]); len(host) < end-start {
			url = append(append(url[:start:start], host...), url[end:]...)
		}
	}
	return c.shownPath(url)
}

// shownPath is what may be shown of a path: nobody who logs in, and no query, no fragment and no session unless they are asked for.
func (c *call) shownPath(path []byte) []byte {
	if bytes.IndexByte(path, '@') > 0 {
		path = pathWithoutUsers(path)
	}
	if c.cfg.Unsafe {
		return path
	}
	at := -1 // of the first parameter
	for i, c := range path {
		if c == ';' && at < 0 {
			at = i
		} else if c == '?' || c == '#' {
			path = path[:i]
			break
		}
	}
	var shown []byte // as soon as it is not the path as it was sent
	from := 0        // of what was not copied
	for at >= 0 {
		end := at + 1
		for end < len(path) && path[end] != ';' && path[end] != '/' {
			end++
		}
		name, _, _ := bytes.Cut(path[at+1:end], []byte("="))
		if sessionName(name) {
			shown, from = append(shown, path[from:at]...), end
		}
		if at = bytes.IndexByte(path[end:], ';'); at >= 0 {
			at += end
		}
	}
	if from == 0 {
		return path
	}
	return append(shown, path[from:]...)
}

// pathWithoutUsers takes away who logs in at the hosts of URLs within a path, which services that fetch them have there. The slashes
// may be written as they are, be it one or two of them, or by number.
func pathWithoutUsers(path []byte) []byte {
	var out []byte
	for {
		at := bytes.IndexByte(path, ':')
		if at < 0 {
			break
		}
		at++
		start := at
		for bytes.HasPrefix(path[at:], []byte("/")) || hasPrefixFold(path[at:], "%2f") {
			if path[at] == '%' {
				at += 2
			}
			at++
		}
		if at == start {
			out, path = append(out, path[:at]...), path[at:]
			continue
		}
		end := at
		for end < len(path) && path[end] != '/' && path[end] != '?' && path[end] != '#' && !hasPrefixFold(path[end:], "%2f") {
			end++
		}
		out = append(out, path[:at]...)
		out = append(out, withoutUser(path[at:end])...)
		path = path[end:]
	}
	return append(out, path...)
}

// sessionName tells whether a parameter of a path is what stands for a cookie: ;jsessionid=, ;PHPSESSID=, ;sid=, ;access_token=, ;password=.
func sessionName(name []byte) bool {
	return containsFold(name, "sess") || containsFold(name, "token") || containsFold(name, "passw") || equalFold(name, "sid")
}
