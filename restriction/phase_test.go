package restriction

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPhases adds a start to phases.
func TestPhases(t *testing.T) {
	start := time.Unix(1000, 999_999_999)
	list, err := Phases(start,
		First(time.Hour).Scopes("a", "b").Audiences("x").Hosts("192.0.2.0/24").AccessTokens(3).OtherUses(0),
		Between(time.Hour, 2*time.Hour).Countries("DE").NotCountries("FR").With("own", []byte(`{"x": 1}`)).With("more", []byte("2")),
		After(24*time.Hour).Scopes("c"),
	)
	require.NoError(t, err)
	want := `[{"nbf":1000,"exp":4600,"scope":"a b","audience":["x"],"hosts":["192.0.2.0/24"],"usages_AT":3,"usages_other":0},` +
		`{"nbf":4600,"exp":8200,"geoip_allow":["DE"],"geoip_disallow":["FR"],"own":{"x": 1},"more":2},` +
		`{"nbf":87400,"scope":"c"}]`
	if got := mustEncode(t, list); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestPhasesAreValues shows that a method does not change the phase on which it is
// called.
func TestPhasesAreValues(t *testing.T) {
	base := First(time.Hour).With("a", []byte("1"))
	x, y := base.With("x", []byte("1")).Scopes("x"), base.With("y", []byte("1"))
	scopes := []string{"s"}
	z := base.Scopes(scopes...)
	scopes[0] = "changed"
	list, err := Phases(time.Unix(1000, 0), x, y, z)
	require.NoError(t, err)
	want := `[{"nbf":1000,"exp":4600,"scope":"x","a":1,"x":1},{"nbf":1000,"exp":4600,"a":1,"y":1},{"nbf":1000,"exp":4600,"scope":"s","a":1}]`
	if got := mustEncode(t, list); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestPhasesRefuseNonsense shows that a mistake in a phase is an error. It never widens
// the phase.
//
// proves P1
func TestPhasesRefuseNonsense(t *testing.T) {
	start := time.Unix(1000, 0)
	for name, test := range map[string]struct {
		start  time.Time
		phases []Phase
		want   error
	}{
		"no phases":        {start, nil, ErrEmptyClause},
		"no start":         {time.Time{}, []Phase{First(time.Hour)}, ErrInvalid},
		"before 1970":      {time.Unix(0, 0), []Phase{First(time.Hour)}, ErrInvalid},
		"before the start": {start, []Phase{Between(-time.Second, time.Hour)}, ErrInvalid},
		"backwards":        {start, []Phase{Between(time.Hour, time.Minute)}, ErrInvalid},
		"negative":         {start, []Phase{First(-time.Hour)}, ErrInvalid},
		"no scopes":        {start, []Phase{First(time.Hour).Scopes()}, ErrInvalid},
		"no audiences":     {start, []Phase{First(time.Hour).Audiences()}, ErrInvalid},
		"no hosts":         {start, []Phase{First(time.Hour).Hosts()}, ErrInvalid},
		"no countries":     {start, []Phase{First(time.Hour).Countries()}, ErrInvalid},
		"no excluded ones": {start, []Phase{First(time.Hour).NotCountries()}, ErrInvalid},
		"a bad host":       {start, []Phase{First(time.Hour).Hosts("192.0.2.0/24", "*")}, ErrInvalid},
		"a negative count": {start, []Phase{First(time.Hour).AccessTokens(-1)}, ErrInvalid},
		"a value no JSON":  {start, []Phase{First(time.Hour).With("x", nil)}, ErrInvalid},
	} {
		if list, err := Phases(test.start, test.phases...); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}
