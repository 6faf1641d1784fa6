package wire

import "github.com/go-json-experiment/json"

// Marshal encodes an object of this package. A nil list that is not omitted is
// null, as the protocol wants it where there is nothing to list.
func Marshal(v any) ([]byte, error) {
	return json.Marshal(v, json.FormatNilSliceAsNull(true))
}

// Unmarshal decodes an object of this package: names in any case, unknown
// members ignored (protocol section 0), no member twice.
func Unmarshal(data []byte, v any) error {
	return json.Unmarshal(data, v, json.MatchCaseInsensitiveNames(true))
}
