package pcapfilter

import "fmt"

// Error says what is wrong with a filter expression, and where.
type Error struct {
	Expr   string
	Column int // of the first byte that is wrong, counted from 1
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("bpf filter: column %d: %s", e.Column, e.Msg) }

// failure is how the recursive descent leaves at an error; catch turns it into an Error.
type failure struct {
	pos int
	msg string
}

func fail(pos int, format string, args ...any) {
	panic(failure{pos, fmt.Sprintf(format, args...)})
}

func catch(expr string, err *error) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = &Error{Expr: expr, Column: r.pos + 1, Msg: r.msg}
	default:
		panic(r)
	}
}
