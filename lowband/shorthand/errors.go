package shorthand

import (
	"errors"
	"fmt"
)

// FormatError says that bytes are no message of this package.
type FormatError struct {
	Offset int // in the message, after inflation
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("shorthand at byte %d: %s", e.Offset, e.Reason)
}

// ErrUnknownReference is returned for a message with a reference to an identifier that this end does not have, any more
// or yet. The sender must repeat the message without references.
var ErrUnknownReference = errors.New("shorthand: the message refers to an identifier that is not known here")

// SizeError says that a message would become larger than is allowed.
type SizeError struct{ Limit int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("shorthand: the message becomes larger than the %d bytes allowed", e.Limit)
}

// VersionError says that a message is compressed with a dictionary that this end does not have.
type VersionError struct{ Version int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("shorthand: version %d of the dictionary is not known here, the newest is %d", e.Version, DictionaryVersion)
}
