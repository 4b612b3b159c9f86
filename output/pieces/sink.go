package pieces

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"rustnet/output"
	"rustnet/track/event"
)

// Config is what a person decides about a file of records.
type Config struct {
	Write       string `placeholder:"FILE" help:"Also append the records to FILE; .gz and .zst compress. SIGHUP reopens it."`
	WriteFormat string `enum:"json,csv,table," default:"" placeholder:"FORM" needs:"write" help:"Form of the records in that file: json, csv or table (default csv for FILE.csv, else json)."`
	Rotation
}

// Check says what does not go together, before anything is opened; another tells that there is another file that is cut
// into pieces.
func (c Config) Check(another bool) error {
	switch err := Known(c.Write); {
	case err != nil:
		return fmt.Errorf("--write: %w", err)
	case c.Write == "" && !another && c.Rotation != Rotation{}:
		return errors.New("--rotate-size, --rotate-every and --rotate-keep are for the files that --write and --pcapng name")
	case c.Write == "-":
		return errors.New("--write: - is stdout, which --output is for")
	case c.RotateKeep > 0 && c.RotateSize == 0 && c.RotateEvery == 0:
		return errors.New("--rotate-keep: nothing is put aside without --rotate-size or --rotate-every")
	}
	return nil
}

// Sink is a last stage that writes records into a file, beside the one that writes stdout.
type Sink struct {
	*output.Branch
	path string
	file *File
}

// New opens the file. out says which records it gets, and which of their fields.
func New(cfg Config, out output.Config, fields *event.Schema, warn func(string)) (*Sink, error) {
	out = out.InFile()
	out.Dated = true // it goes on for days
	switch {
	case cfg.WriteFormat != "":
		out.Format = cfg.WriteFormat
	case out.Schema != "" && out.Format != output.JSON:
		out.Format = "" // its own
	case out.Schema == "":
		out.Format = output.JSON
		if name := strings.TrimSuffix(strings.TrimSuffix(cfg.Write, ".gz"), ".zst"); strings.HasSuffix(name, ".csv") {
			out.Format = output.CSV
		}
	}
	var first header
	if _, err := output.NewKeeping(out, fields, &first); err != nil { // before anything is opened
		return nil, err
	}
	alike := func(line []byte) bool { return bytes.HasPrefix(line, []byte("#separator ")) } // Zeek's
	switch {
	case out.Format == output.Table: // lines for people, whose headings are as wide as it was then
		first = nil
	case out.Format == output.CSV:
		alike = func(line []byte) bool {
			for name := range bytes.SplitSeq(bytes.TrimRight(line, "\r"), []byte(",")) {
				if fields.Lookup(string(name)) == nil {
					return false
				}
			}
			return true
		}
	case out.Schema != "zeek" || out.Format == output.JSON: // objects
		first = header("{")
	}
	file, err := openFile(cfg.Write, cfg.Rotation, out.Spool, nil, existing{first, alike}, warn)
	if err != nil {
		return nil, fmt.Errorf("--write: %w", err)
	}
	s := &Sink{path: cfg.Write, file: file}
	stage, err := output.NewKeeping(out, fields, file)
	if err != nil {
		return nil, err
	}
	stop := file.ReopenOnSignal() // from here on: until the first record, somebody may have renamed it
	s.Branch = output.NewBranch(func(ctx context.Context, in <-chan *event.Batch) error {
		defer stop()
		return stage.Run(ctx, in)
	})
	return s, nil
}

// header keeps what a file begins with, and no records.
type header []byte

func (h *header) SetHeader(text []byte)        { *h = text }
func (*header) WriteRecord([]byte, int64) bool { return true }
func (*header) Flush()                         {}
func (*header) Close() error                   { return nil }

// Records is how many are in the file so far.
func (s *Sink) Records() uint64 { return s.file.Stats().Records }

// Report says for people what the file has got.
func (s *Sink) Report() string {
	st := s.file.Stats()
	text := fmt.Sprintf("%d in %s", st.Records, s.path)
	if st.Pieces > 0 {
		text += fmt.Sprintf(" and %d put aside", st.Pieces)
	}
	if st.Lost > 0 {
		text += fmt.Sprintf(", %d that could not be written to it", st.Lost)
	}
	return text
}
