package event

import "strings"

// Place is where a store keeps a field's values.
type Place uint8

const (
	PlaceNone    Place = iota // nowhere: it belongs to the line that was written
	PlaceColumn               // in a column: every connection has it
	PlaceStep                 // in a column too, of events only: it is about the time since the event before
	PlaceProcess              // with its process, which many connections share
	PlaceRest                 // in a JSON object: of these each connection has some
)

// Names that a store adds to those of the fields: its tables, and the columns that lead to the others.
const (
	StoreConnections = "connection" // a row is what is known of a connection
	StoreEvents      = "event"      // a row is a record
	StoreProcesses   = "process"
	StoreProcess     = "process_ref" // of the two: the key of a process
	StoreRest        = "rest"        // of the two: the fields of PlaceRest
)

// StoreApplication marks a database file as rustnet's, StoreVersion says which tables it has: added columns
// do not change it.
const (
	StoreApplication = 0x726e6574
	StoreVersion     = 1
)

// Place says where a store keeps the field. It follows from the declaration alone, so that a field that is
// added is stored, found again and migrated without another word.
func (f *Field) Place() Place {
	if f.app != 0 || f.parsed {
		return PlaceRest
	}
	switch needs(f) {
	case partProc:
		return PlaceProcess
	case 0:
	default:
		return PlaceRest
	}
	switch {
	case f.Name == "v", f.Name == "seq":
		return PlaceNone
	case strings.HasSuffix(f.Name, "_delta"), strings.HasSuffix(f.Name, "_rate"):
		return PlaceStep
	}
	return PlaceColumn
}
