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

// shownPath is what may be shown of a path: no query, no fragment and no session, unless they are asked for.
func (c *call) shownPath(path []byte) []byte {
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
	for at >= 0 {
		end := at + 1
		for end < len(path) && path[end] != ';' && path[end] != '/' {
			end++
		}
		name, _, _ := bytes.Cut(path[at+1:end], []byte("="))
		next := end
		if sessionName(name) {
			path, next = append(path[:at:at], path[end:]...), at
		}
		if at = bytes.IndexByte(path[next:], ';'); at >= 0 {
			at += next
		}
	}
	return path
}

// sessionName tells whether a parameter of a path is what stands for a cookie: ;jsessionid=, ;PHPSESSID=, ;sid=, ;access_token=.
func sessionName(name []byte) bool {
	return containsFold(name, "sess") || containsFold(name, "token") || equalFold(name, "sid")
}
