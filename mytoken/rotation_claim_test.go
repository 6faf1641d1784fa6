package mytoken

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRotationJSON(t *testing.T) {
	for text, want := range map[string]Rotation{
		`{}`:                                {},
		`{"on_AT":true}`:                    {OnAT: true},
		`{"on_other":true}`:                 {OnOther: true},
		`{"lifetime":86400}`:                {Lifetime: 86400},
		`{"on_AT":true,"auto_revoke":true}`: {OnAT: true, AutoRevoke: true},
	} {
		var r Rotation
		require.NoError(t, r.UnmarshalJSON([]byte(text)), text)
		require.Equal(t, want, r)
		require.Equal(t, text, jsonText(t, r))
	}
	var r Rotation
	require.NoError(t, r.UnmarshalJSON([]byte(` {"lifetime":0, "on_AT":false} `)))
	require.Equal(t, Rotation{}, r)
	_, err := json.Marshal(Rotation{Lifetime: maxRotationLifetime + 1})
	require.ErrorIs(t, err, ErrRotation)
}

// proves P2: UnmarshalJSON refuses an unknown name instead of ignoring it.
func TestRotationRefuses(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `"daily"`, `true`, `{`, `{}x`, `{} {}`,
		`{"on_at":true}`, `{"On_AT":true}`, `{"on_AT":1}`, `{"on_AT":null}`, `{"on_AT":"true"}`,
		`{"lifetime":-1}`, `{"lifetime":1.0}`, `{"lifetime":1e3}`, `{"lifetime":"5"}`, `{"lifetime":null}`,
		`{"lifetime":3153600001}`, `{"lifetime":18446744073709551616}`,
		`{"on_AT":true,"on_AT":true}`, `{"on_AT":true,"\u006fn_AT":false}`, `{"include":"daily"}`, `{"max":5}`,
		`{"on_AT":` + strings.Repeat("[", 2000) + `}`,
	} {
		r := Rotation{OnOther: true}
		err := r.UnmarshalJSON([]byte(text))
		require.ErrorIs(t, err, ErrRotation, text)
		require.Equal(t, Rotation{OnOther: true}, r, "unchanged on an error")
	}
}
