package dpi

import "rustnet/track/event"

var (
	fieldFTPUser   = event.AppString("ftp_user", "User that the client named.")
	fieldFTPServer = event.AppString("ftp_server", "Greeting of the server, without its code.")
	fieldFTPFile   = event.AppString("ftp_file", "First file that was asked for or sent (RETR, STOR, APPE).")
)

var ftpFields = []*event.AppField{fieldFTPUser, fieldFTPServer, fieldFTPFile}

var ftpFirst = bytesIn("1235UPAFSTECuapfstec", 1, 0)

// ftp is FTP's control connection with AUTH TLS (RFC 959, 2228 and 4217).
var ftp = dialogue{server: ftpServerLike, client: ftpClientLike, fromServer: ftpServer, fromClient: ftpClient}

func parseFTP(c *call) verdict { return ftp.run(c) }

func ftpServerLike(line []byte) likeness {
	code, _, text := reply(line)
	switch {
	case code == 220 && containsFold(text, "ftp"), code == 227 && containsFold(text, "entering passive mode ("),
		code == 229 && containsFold(text, "(|||"), code == 234 && containsFold(text, "auth"),
		code == 331 && containsFold(text, "password"):
		return sure
	case code == 220 && containsFold(text, "smtp"):
		return unlike
	case code == 220, code == 120, code == 421, code == 500, code == 530:
		return alike
	}
	return unlike
}

func ftpClientLike(line []byte) likeness {
	word, rest := cutWord(line)
	switch {
	case equalFold(word, "auth") && oneOf(rest, "tls ssl tls-c tls-p gssapi"), equalFold(word, "port") && ftpPort(rest):
		return sure
	case equalFold(word, "user") && len(rest) > 0, equalFold(word, "type") && oneOf(firstWord(rest), "a i l"), equalFold(word, "opts") && len(rest) > 0,
		oneOf(word, "feat syst pasv epsv stat pbsz clnt pwd"):
		return alike
	}
	return unlike
}

// ftpPort tells whether b is the argument of PORT: six bytes as decimals (RFC 959 section 4.1.2).
func ftpPort(b []byte) bool {
	numbers, digits := 1, 0
	for _, x := range b {
		switch {
		case digit(x) && digits < 3:
			digits++
		case x == ',' && digits > 0:
			numbers, digits = numbers+1, 0
		default:
			return false
		}
	}
	return numbers == 6 && digits > 0
}

func ftpClient(c *call, st *dialogueState, line []byte) step {
	word, rest := cutWord(line)
	switch {
	case equalFold(word, "user"):
		c.setOnce(fieldFTPUser, rest)
	case equalFold(word, "auth") && oneOf(rest, "tls ssl tls-c tls-p"):
		st.secure = true
	case oneOf(word, "retr stor appe"):
		c.setOnce(fieldFTPFile, rest)
		return knowing
	case equalFold(word, "quit"):
		return stop
	}
	return goOn
}

func ftpServer(c *call, st *dialogueState, line []byte) step {
	code, last, text := reply(line)
	switch {
	case code == 220 && st.greets(c):
		c.setOnce(fieldFTPServer, text)
	case code == 230:
		return knowing
	case st.secure && last && (code == 234 || code == 334):
		return secured
	case st.secure && last && code >= 400:
		st.secure = false
	}
	return goOn
}
