package profile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/internal/profile"
)

func piece(t profile.Type, name string) profile.Piece {
	group, rest, found := strings.Cut(name, "/")
	if !found {
		group, rest = profile.DefaultGroup, name
	}
	return profile.Piece{Group: group, Type: t, Name: rest}
}

// TestWith: a changed set has the new payload, and the old set stays as it was.
func TestWith(t *testing.T) {
	old := load(t, operator...)
	for _, c := range []struct {
		piece         profile.Piece
		payload, file string
		include, want string
	}{
		{piece(profile.Restrictions, "few"), `{"usages_AT":4}`, "restrictions/few.json", `{"restrictions":"few"}`, `{"restrictions":[{"usages_AT":4}]}`},
		{piece(profile.Restrictions, "new"), `{"include":"few"}`, "restrictions/new.json", `{"restrictions":"new"}`, `{"restrictions":[{"usages_AT":3}]}`},
		{piece(profile.Capabilities, "default"), `["AT"]`, "capabilities/default.json", `{"capabilities":"@default+MT"}`, `{"capabilities":["AT","create_mytoken"]}`},
		{piece(profile.Rotation, "lab/r"), `"_/on"`, "lab/rotation/r.json", `{"rotation":"lab/r"}`, `{"rotation":{"on_AT":true,"lifetime":60}}`},
		{piece(profile.Profiles, "grid/job"), `{"name":"x"}`, "grid/profiles/job.json", `{"include":"grid/job"}`, `{"name":"x"}`},
	} {
		before, errBefore := old.Request([]byte(c.include))
		set, err := old.With(c.piece, []byte(c.payload), nil)
		require.NoError(t, err, c.piece)
		require.True(t, set.Own(c.piece))
		require.Equal(t, c.file, set.File(c.piece))
		got, err := set.Request([]byte(c.include))
		require.NoError(t, err, c.piece)
		require.JSONEq(t, c.want, string(got))
		after, errAfter := old.Request([]byte(c.include))
		require.Equal(t, before, after, "the old set")
		require.Equal(t, errBefore, errAfter)

		found, ok := set.Find(c.piece.Group, c.piece.Type, strings.ToUpper(c.piece.ID()))
		require.True(t, ok)
		require.Equal(t, c.piece, found)
	}
	_, ok := old.Find("_", profile.Restrictions, piece(profile.Restrictions, "new").ID())
	require.False(t, ok)
	_, ok = old.Find("_", profile.Restrictions, piece(profile.Profiles, "job").ID())
	require.False(t, ok, "of another type")
}

// TestWithRefuses: a set never holds a piece that Load would refuse (D79, D80).
func TestWithRefuses(t *testing.T) {
	set := load(t, operator...)
	reject := func(typ profile.Type, payload []byte) error {
		if strings.Contains(string(payload), "hosst") {
			return errors.New("unknown key")
		}
		return nil
	}
	for _, c := range []struct {
		piece           profile.Piece
		payload, reason string
	}{
		{piece(profile.Rotation, "on"), `"on"`, "includes itself"},
		{piece(profile.Restrictions, "here"), `{"include":"grid/site"}`, "includes itself"},
		{piece(profile.Profiles, "job"), `{"include":"night"}`, "includes itself"},
		{piece(profile.Profiles, "new"), `{"include":"nobody"}`, "unknown include name"},
		{piece(profile.Profiles, "new"), `{"include":"night","rotation":{"on_other":true}}`, "cannot be merged"},
		{piece(profile.Profiles, "new"), `{"restriction":[{"exp":1}]}`, "no member"},
		{piece(profile.Restrictions, "new"), `{"hosst":["x"]}`, "unknown key"},
		{piece(profile.Restrictions, "new"), `[]`, "empty"},
		{piece(profile.Restrictions, "new"), `null`, "missing"},
		{piece(profile.Restrictions, "new"), `{"exp":1,"exp":2}`, "strict"},
		{piece(profile.Restrictions, "new"), strings.Repeat("[", 99) + strings.Repeat("]", 99), "nested"},
		{piece(profile.Restrictions, "FEW"), `{"exp":1}`, "upper and lower case"},
		{piece(profile.Restrictions, "a b"), `{"exp":1}`, "cannot be used"},
		// Others include these.
		{piece(profile.Restrictions, "here"), `[{"exp":1},{"exp":2}]`, "others that depend on it would not be valid: grid/restrictions/site"},
	} {
		got, err := set.With(c.piece, []byte(c.payload), reject)
		require.ErrorContains(t, err, c.reason, "%v %s", c.piece, c.payload)
		require.Nil(t, got)
	}
	var inUse *profile.InUseError
	got, err := set.Without(piece(profile.Profiles, "job"), nil)
	require.ErrorAs(t, err, &inUse)
	require.Nil(t, got)
	require.Equal(t, []string{"_/profiles/night"}, inUse.Pieces)
	_, err = set.Without(piece(profile.Profiles, "agent"), nil)
	require.ErrorContains(t, err, "built in")

	for i := range 7 {
		set, err = set.With(piece(profile.Profiles, fmt.Sprint("p", i)), []byte(`{"include":"job"}`), nil)
		require.NoError(t, err)
	}
	_, err = set.Without(piece(profile.Profiles, "job"), nil)
	require.ErrorContains(t, err, "_/profiles/p3 and 3 more")
}

// TestWithout: a built-in piece counts again when the operator's own one is gone.
func TestWithout(t *testing.T) {
	set := load(t, "profiles/agent.json", `{"capabilities":"AT"}`, "lab/profiles/x.json", `{"include":"_/agent"}`)
	set, err := set.Without(piece(profile.Profiles, "agent"), nil)
	require.NoError(t, err)
	require.False(t, set.Own(piece(profile.Profiles, "agent")))
	got, err := set.Request([]byte(`{"include":"lab/x"}`))
	require.NoError(t, err)
	require.Contains(t, string(got), "settings")
	set, err = set.Without(piece(profile.Profiles, "lab/x"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"_"}, set.Groups())
}

// TestOwnBound: a group cannot grow without end.
func TestOwnBound(t *testing.T) {
	var pairs []string
	for i := range 1000 {
		pairs = append(pairs, fmt.Sprintf("lab/rotation/r%d.json", i), `{"on_AT":true}`)
	}
	set := load(t, pairs...)
	_, err := set.With(piece(profile.Rotation, "lab/new"), []byte(`{"on_AT":true}`), nil)
	require.ErrorContains(t, err, "1000 profiles and templates")
	_, err = set.With(piece(profile.Rotation, "lab/r7"), []byte(`{"on_other":true}`), nil)
	require.NoError(t, err)
	_, err = set.With(piece(profile.Rotation, "new"), []byte(`{"on_AT":true}`), nil)
	require.NoError(t, err)
}

// TestCheckName: a name is the name of a file on every system, and of one piece.
func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "web-default", "default+MT", "12h", "_", "jülich", "a.b", strings.Repeat("x", 100)} {
		require.NoError(t, profile.CheckName(good), good)
	}
	for _, bad := range []string{
		"", ".", "..", "../x", ".hidden", "a/b", `a\b`, "a b", "a,b", "@a", "a\x00", "a\n", "\u202e", "\xff", "a:b", "a*", "profiles", "rotation", strings.Repeat("x", 101),
	} {
		var typed *profile.Error
		require.ErrorAs(t, profile.CheckName(bad), &typed, "%q", bad)
	}
}

// TestOneFileForAPiece: Load refuses two files of one piece.
func TestOneFileForAPiece(t *testing.T) {
	_, err := profile.Load(files("rotation/a.json", `{"on_AT":true}`, "_/rotation/a.json", `{"on_other":true}`), nil)
	require.ErrorContains(t, err, "is the same piece")
	set := load(t, "_/rotation/a.json", `{"on_other":true}`)
	require.Equal(t, "_/rotation/a.json", set.File(piece(profile.Rotation, "a")))
}
