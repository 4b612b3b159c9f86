package hook

import (
	"errors"
	"strings"
)

// split takes a command apart into words as a shell does (POSIX 2.2, Quoting), of which nothing more is
// known: no variable, no pattern, no other command.
func split(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	const between, plain, single, double = 0, 1, 2, 3
	state, escaped := between, false
	for _, r := range text {
		switch {
		case escaped:
			if state == double && !strings.ContainsRune("\"\\$`", r) {
				word.WriteRune('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && state != single:
			escaped = true
			state = max(state, plain)
		case state == single && r == '\'', state == double && r == '"':
			state = plain
		case state == single || state == double:
			word.WriteRune(r)
		case r == '\'':
			state = single
		case r == '"':
			state = double
		case r == ' ' || r == '\t' || r == '\n':
			if state == plain {
				words = append(words, word.String())
				word.Reset()
			}
			state = between
		default:
			word.WriteRune(r)
			state = plain
		}
	}
	switch {
	case escaped:
		return nil, errors.New("the command ends with a backslash")
	case state == single || state == double:
		return nil, errors.New("a quotation does not end")
	case state == plain:
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("the command is empty")
	}
	return words, nil
}
