package sqlstore_test

import (
	"regexp"
	"strings"
)

var (
	compoundWord  = regexp.MustCompile(`\b(SELECT|UPDATE|INSERT|DELETE)\b`)
	compoundInto  = regexp.MustCompile(`\s+INTO v_\w+(, v_\w+)*`)
	compoundCheck = regexp.MustCompile(`(?s)\), FALSE\) THEN SIGNAL.*`)
	// The values are those of token 2 of mass.
	compoundValues = strings.NewReplacer("v_token", "2", "v_counter", "7", "v_grant", "X'00000000000000000000000000000001'",
		"v_depth", "1", "v_leased", "1", "v_ticket", "1", "v_owner", "NULL", "v_key", "NULL")
)

// parts returns the statements within compound statements, with values in place of the
// variables, and all other statements as they are.
func parts(all []statement) (out []statement) {
	for _, st := range all {
		if !st.is("BEGIN NOT ATOMIC") {
			out = append(out, st)
			continue
		}
		args := st.args
		for _, text := range strings.Split(st.text, ";") {
			own := args[:strings.Count(text, "?")]
			args = args[len(own):]
			at := compoundWord.FindStringIndex(text)
			if at == nil || strings.Contains(text[:at[0]], "HANDLER") {
				continue
			}
			own = own[strings.Count(text[:at[0]], "?"):]
			text = compoundCheck.ReplaceAllString(compoundInto.ReplaceAllString(text[at[0]:], ""), "")
			out = append(out, statement{text: compoundValues.Replace(text), args: own})
		}
	}
	return out
}
