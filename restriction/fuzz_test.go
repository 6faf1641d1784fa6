package restriction

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzClauseJSON shows that writing a list that was read always gives the same text,
// keeps the bytes of unknown values, and never produces an unrestricted list by accident.
//
// proves P2
func FuzzClauseJSON(f *testing.F) {
	for _, seed := range []string{
		`[{"nbf":1,"exp":9,"scope":"a b","audience":["x"],"hosts":["192.0.2.0/24","*.example.org"],"geoip_allow":["DE"],"geoip_disallow":["FR"],"usages_AT":0,"usages_other":3}]`,
		`[{"unknown_key":1}]`, `[null]`, `[[]]`, `{}`, `[]`, `[{}]`, `null`, `[{"ip":["::1"]}]`,
		`[ { "x" : [ 1.0e2 , "\u0061" , {"a":null} ] , "Exp" : "\ud83d\ude00" } ]`,
		`[{"exp":9223372036854775807,"nbf":-9223372036854775808}]`, `[{"usages_AT":null,"hosts":[],"scope":" ","x":0}]`,
		`[{"\u0065xp":5}]`, `[{"exp":5,"exp":6}]`, `[{"a\n":1}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Parse(data)
		if err != nil {
			return
		}
		for i := range list {
			if list[i].IsEmpty() {
				t.Fatalf("clause %d is empty", i)
			}
			for _, extra := range list[i].Extra {
				if !bytes.Contains(data, extra.Value) {
					t.Fatalf("the value of %q is not in the text: %s", extra.Key, extra.Value)
				}
			}
		}
		if len(list) == 0 && !isEmptyArray(data) {
			t.Fatalf("%s reads as no restriction", data)
		}
		once, err := list.AppendJSON(nil)
		if err != nil {
			t.Fatalf("what parsed does not encode: %v", err)
		}
		again, err := Parse(once)
		if err != nil {
			t.Fatalf("what was encoded does not parse: %v: %s", err, once)
		}
		if !again.Equal(list) {
			t.Fatalf("got %+v, want %+v", again, list)
		}
		if twice, err := again.AppendJSON(nil); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("no fixed point: %s, %s, %v", once, twice, err)
		}
		policy, err := Compile(list, Options{})
		if err != nil {
			t.Fatalf("what parsed does not compile: %v", err)
		}
		request := Request{Now: epoch, Kind: AT, Address: addr("192.0.2.1")}
		d := policy.Evaluate(&request)
		if e := policy.Explain(&request); e.Admitted != d.Admitted() {
			t.Fatalf("evaluated %v, explained %v", d.Admitted(), e)
		}
		if !Within(list, list, nil) {
			t.Fatal("not within itself")
		}
	})
}

func isEmptyArray(data []byte) bool {
	value := jsontext.Value(bytes.Clone(data))
	return value.Compact() == nil && string(value) == "[]"
}

// FuzzRequest shows that every list that ParseRequest returns is valid and can be
// written.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`[{"exp":"+1d12h"}]`, `[{"nbf":"+5","exp":"2036-07-01 12:30"}]`, `[{},{"hosts":["this"]}]`, `[{"exp":"+1y2w3d4h5m6s7ms8us9ns"}]`,
		`[{"exp":"1900000000","ip":["THIS"]}]`, `[{"exp":"+99999999999999999999"}]`, `[{"exp":"+.5y"}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseRequest(data, RequestOptions{Now: epoch, Address: addr("192.0.2.1")})
		if err != nil {
			return
		}
		if len(list) == 0 && !isEmptyArray(data) {
			t.Fatalf("%s reads as no restriction", data)
		}
		if err := list.ValidateAt(epoch); err != nil {
			t.Fatalf("invalid: %v", err)
		}
		text, err := list.AppendJSON(nil)
		if err != nil {
			t.Fatalf("does not encode: %v", err)
		}
		if again, err := Parse(text); err != nil || !again.Equal(list) {
			t.Fatalf("got %+v, %v, want %+v", again, err, list)
		}
	})
}

// FuzzSchedule shows that a schedule that was read is written and read without a change.
// Its normal form is fixed and decides the same. A request never gets one that makes no
// sense, and the earliest instant and the changes agree with the decisions.
func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{
		`{"timezone":"Europe/Berlin","days":[1,2,3,4,5],"from":"22:00","to":"06:00"}`, `{"days_of_month":[1,-1,-31,31],"every":2,"anchor":"2027-01-01"}`,
		`{"timezone":"Australia/Lord_Howe","from":"01:45","to":"02:15"}`, `{"timezone":"America/Havana","days":[0,7]}`, `{"every":1000,"days":[3]}`,
		`{"every":2147483647,"anchor":"9999-12-31"}`, `{"from":"00:00","to":"00:00","every":1}`, `{}`, `null`, `[]`, `{"days":[8]}`, `{"x":1}`,
		`{"every":7,"anchor":"0000-01-01","days":[1]}`, `{"timezone":"../x"}`, `{"timezone":"Asia/Kathmandu","every":3,"anchor":"1969-12-31","from":"23:59","to":"00:00"}`,
	} {
		f.Add([]byte(seed), int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, data []byte, now int64) {
		list, err := Parse(slices.Concat([]byte(`[{"exp":253402300799,"schedule":`), data, []byte(`}]`)))
		if err != nil || len(list) != 1 || list[0].Schedule == nil {
			return
		}
		text := mustEncode(t, list)
		if again := mustParse(t, text); !again.Equal(list) || mustEncode(t, again) != text {
			t.Fatalf("%s becomes %v", text, again)
		}
		if !Within(list, list, nil) {
			t.Fatalf("%s is not within itself", text)
		}
		_ = list[0].Schedule.String()
		at := time.Unix(min(max(now, 1), lastInstant), 0)
		normal := list.Normalize(at)
		if again := normal.Normalize(at.AddDate(0, 0, 1)); !again.Equal(normal) {
			t.Fatalf("%v has another normal form: %v", normal, again)
		}
		valid := normal.Validate() == nil
		if asked, err := ParseRequest([]byte(text), RequestOptions{Now: at}); (err == nil) != valid || valid && !asked.Equal(normal) {
			t.Fatalf("asked for %s: %v, %v, want %v", text, asked, err, normal)
		}
		request := Request{Now: at, Kind: AT}
		policy, written := mustCompile(t, normal, Options{}), mustCompile(t, list, Options{})
		d, e := policy.Evaluate(&request), policy.Explain(&request)
		if d.Admitted() != e.Admitted || d.Admitted() && !valid {
			t.Fatalf("%v: evaluated %v, explained %v, valid %v", normal, d.Admitted(), e, valid)
		}
		if as := written.Evaluate(&request); as.Admitted() && !d.Admitted() || d.Admitted() && !as.Admitted() && (list[0].Schedule.Every < 2 || list[0].Schedule.Anchor != "") {
			t.Fatalf("%v admits %v, its normal form %v", list, as.Admitted(), d.Admitted())
		}
		if first, known := e.Earliest.Time(); known {
			then := Request{Now: first, Kind: AT}
			if d := policy.Evaluate(&then); !d.Admitted() || first.Before(at) {
				t.Fatalf("%v: refused at %v, the earliest instant after %v", normal, first, at)
			}
		}
	})
}

// FuzzHostPattern shows that an entry has one normal form, covers itself, and matches
// what it covers.
func FuzzHostPattern(f *testing.F) {
	for _, seed := range []struct{ entry, other, name, address string }{
		{"*.example.org", "a.example.org", "b.a.example.org", "192.0.2.1"},
		{"192.0.2.0/24", "192.0.2.9", "", "::ffff:192.0.2.7"},
		{"::/0", "::ffff:0:0/96", "a.", "fe80::1%eth0"},
		{"*", "*.", "..", ""},
		{"EXAMPLE.org.", "*x", "1.2", "::"},
	} {
		f.Add(seed.entry, seed.other, seed.name, seed.address)
	}
	f.Fuzz(func(t *testing.T, entry, other, name, address string) {
		h, err := parseHost(entry)
		if err != nil {
			if h != (host{}) || h.matchesName(name) {
				t.Fatalf("%q was refused and matches", entry)
			}
			return
		}
		if h.isName() == h.block.IsValid() {
			t.Fatalf("%q is both or neither: %+v", entry, h)
		}
		self := List{{Hosts: []string{entry}}}
		if err := self.Validate(); err == nil {
			if list, err := Parse([]byte(mustEncode(t, self))); err != nil || !list.Equal(self) {
				t.Fatalf("%q does not survive JSON: %v", entry, err)
			}
		}
		inner, err := parseHost(other)
		if err != nil || !Within(List{{Hosts: []string{other}}}, self, nil) {
			return
		}
		if normal, ok := normalName(name); ok && inner.matchesName(normal) && !h.matchesName(normal) {
			t.Fatalf("%q matches %s, %q covers it and does not", other, normal, entry)
		}
		from, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		r := Request{Now: epoch, Kind: Uncounted, Address: from}
		if evaluates(t, other, &r) && !evaluates(t, entry, &r) {
			t.Fatalf("%q matches %s, %q covers it and does not", other, from, entry)
		}
	})
}

func evaluates(t *testing.T, entry string, r *Request) bool {
	d := mustCompile(t, List{{Hosts: []string{entry}}}, Options{}).Evaluate(r)
	return d.Admitted()
}
