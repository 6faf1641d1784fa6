package restriction

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// TestComposites has the truth tables with three values. If a condition cannot decide,
// both the condition and its negation refuse.
//
// proves P2
func TestComposites(t *testing.T) {
	for name, test := range map[string]struct {
		condition    Condition
		admits       bool
		undetermined bool
	}{
		"all of nothing":        {All(), false, true},
		"any of nothing":        {Any(), false, true},
		"not nil":               {Not(nil), false, true},
		"not all of nothing":    {Not(All()), false, true},
		"not any of nothing":    {Not(Any()), false, true},
		"all with nil":          {All(yes, nil), false, true},
		"any with nil":          {Any(no, nil), false, true},
		"any with nil and yes":  {Any(nil, yes), true, false},
		"all yes":               {All(yes, yes), true, false},
		"all yes no":            {All(yes, no), false, false},
		"all yes maybe":         {All(yes, maybe), false, true},
		"all no maybe":          {All(maybe, no), false, false},
		"any no yes":            {Any(no, yes), true, false},
		"any no no":             {Any(no, no), false, false},
		"any maybe yes":         {Any(maybe, yes), true, false},
		"any no maybe":          {Any(no, maybe), false, true},
		"not yes":               {Not(yes), false, false},
		"not no":                {Not(no), true, false},
		"not maybe":             {Not(maybe), false, true},
		"not not maybe":         {Not(Not(maybe)), false, true},
		"not all no maybe":      {Not(All(no, maybe)), true, false},
		"not any no maybe":      {Not(Any(no, maybe)), false, true},
		"not not yes":           {Not(Not(yes)), true, false},
		"window without bounds": {Window(time.Time{}, time.Time{}), false, true},
		"not such a window":     {Not(Window(time.Time{}, time.Time{})), false, true},
		"network of nothing":    {Network(), false, true},
		"not such a network":    {Not(Network(netip.Prefix{})), false, true},
		"network elsewhere":     {Network(netip.MustParsePrefix("198.51.100.0/24")), false, false},
		"network with host bit": {Network(netip.MustParsePrefix("192.0.2.9/24")), true, false},
		"mapped network":        {Network(netip.MustParsePrefix("::ffff:192.0.2.9/120")), true, false},
		"before the window":     {Window(epoch.Add(time.Second), time.Time{}), false, false},
		"after the window":      {Window(time.Time{}, epoch.Add(-time.Second)), false, false},
		"in the window":         {Window(epoch, epoch), true, false},
	} {
		err := test.condition.Check(&Request{Now: epoch, Kind: AT, Address: addr("192.0.2.7")})
		if (err == nil) != test.admits || errors.Is(err, ErrUndetermined) != test.undetermined {
			t.Errorf("%s: %v", name, err)
		}
	}
	blind := &Request{Kind: AT}
	for _, c := range []Condition{Window(epoch, epoch), Network(netip.MustParsePrefix("0.0.0.0/0"))} {
		if err := Not(c).Check(blind); !errors.Is(err, ErrUndetermined) {
			t.Errorf("the negation of %v admits a request of which it knows nothing: %v", c, err)
		}
	}
}

// TestCompositeForgetsTheCallersSlice changes the parts after the composite was made.
func TestCompositeForgetsTheCallersSlice(t *testing.T) {
	parts := []Condition{no}
	c := Any(parts...)
	parts[0] = yes
	if c.Check(&Request{}) == nil {
		t.Error("the condition changed")
	}
}

// TestConditionWithin shows that Within returns false for anything that it cannot prove.
//
// proves P1
func TestConditionWithin(t *testing.T) {
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }
	window := func(from, until int) Condition { return Window(at(from), at(until)) }
	network := func(text string) Condition { return Network(netip.MustParsePrefix(text)) }
	for name, test := range map[string]struct {
		child, parent Condition
		want          bool
	}{
		"same window":             {window(0, 9), window(0, 9), true},
		"smaller window":          {window(1, 8), window(0, 9), true},
		"longer window":           {window(0, 10), window(0, 9), false},
		"earlier window":          {window(-1, 9), window(0, 9), false},
		"open window":             {Window(at(0), time.Time{}), window(0, 9), false},
		"in an open window":       {window(0, 9), Window(at(0), time.Time{}), true},
		"in a window of nothing":  {window(0, 9), Window(time.Time{}, time.Time{}), false},
		"smaller network":         {network("192.0.2.0/25"), network("192.0.2.0/24"), true},
		"larger network":          {network("192.0.2.0/24"), network("192.0.2.0/25"), false},
		"other family":            {network("192.0.2.0/24"), network("::/0"), false},
		"network of nothing":      {Network(), network("192.0.2.0/24"), false},
		"window and network":      {window(0, 9), network("0.0.0.0/0"), false},
		"part of all":             {All(window(0, 9), yes), window(0, 9), true},
		"no part of all":          {All(yes, no), window(0, 9), false},
		"within all":              {window(1, 8), All(window(0, 8), window(1, 9)), true},
		"not within all":          {window(1, 8), All(window(0, 8), window(2, 9)), false},
		"all within all":          {All(window(1, 8), network("192.0.2.0/25")), All(network("192.0.2.0/24"), window(0, 9)), true},
		"all within less":         {All(window(1, 8), network("192.0.2.0/25")), All(network("192.0.2.0/24")), true},
		"all within more":         {All(network("192.0.2.0/25")), All(network("192.0.2.0/24"), window(0, 9)), false},
		"nothing within all":      {All(), window(0, 9), false},
		"within nothing":          {window(0, 9), All(), false},
		"any: every alternative":  {Any(window(1, 2), window(3, 4)), window(0, 9), true},
		"any: one alternative":    {Any(window(1, 2), window(3, 14)), window(0, 9), false},
		"any of nothing":          {Any(), window(0, 9), false},
		"within any":              {window(1, 2), Any(yes, window(0, 9)), true},
		"not within any":          {window(1, 12), Any(window(0, 9), window(9, 12)), false},
		"any within any":          {Any(window(3, 4), window(1, 2)), Any(window(0, 2), window(2, 5)), true},
		"all within any":          {All(yes, window(3, 4)), Any(window(0, 2), window(2, 5)), true},
		"any within all":          {Any(window(3, 4), window(2, 5)), All(window(0, 9), window(1, 8)), true},
		"same not":                {Not(window(0, 9)), Not(window(0, 9)), true},
		"same not of a composite": {Not(Any(window(0, 9), no)), Not(Any(window(0, 9), no)), true},
		"larger not":              {Not(window(0, 9)), Not(window(1, 8)), false},
		"not within something":    {Not(window(0, 9)), window(10, 20), false},
		"something within not":    {window(10, 20), Not(window(0, 9)), false},
		"not nil":                 {Not(nil), Not(nil), false},
		"not in all":              {All(Not(window(0, 9)), yes), Not(window(0, 9)), true},
		"foreign, itself":         {yes, yes, true},
		"foreign, another":        {yes, no, false},
		"foreign and window":      {yes, window(0, 9), false},
		"window and foreign":      {window(0, 9), yes, false},
		"nil child":               {nil, yes, false},
		"nil parent":              {yes, nil, false},
	} {
		if got := implies(test.child, test.parent); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
		if child := All(test.child); child.Within(test.parent) != test.want {
			t.Errorf("%s: the method of a composite says %v", name, !test.want)
		}
	}
}

// TestForecast shows that a composite knows when it changes only if all its parts know.
func TestForecast(t *testing.T) {
	forecasting := func(c Condition) bool { _, ok := c.(Forecaster); return ok }
	w := Window(epoch.Add(time.Hour), epoch.Add(2*time.Hour))
	for name, test := range map[string]struct {
		condition Condition
		want      bool
	}{
		"all":          {All(w, w), true},
		"all, mute":    {All(w, yes), false},
		"any":          {Any(w), true},
		"any, mute":    {Any(yes, w), false},
		"not":          {Not(w), true},
		"not, mute":    {Not(yes), false},
		"not, not":     {Not(Not(All(w))), true},
		"not nil":      {Not(nil), false},
		"deep":         {All(w, Any(w, Not(yes))), false},
		"deep, knows":  {All(w, Any(w, Not(w))), true},
		"all with nil": {All(w, nil), false},
	} {
		if forecasting(test.condition) != test.want {
			t.Errorf("%s: got %v", name, !test.want)
		}
	}
	request := &Request{Now: epoch}
	next := func(c Condition) time.Duration {
		at, ok := c.(Forecaster).Next(request)
		if !ok {
			return -1
		}
		return at.Sub(request.Now)
	}
	other := Window(epoch.Add(30*time.Minute), epoch.Add(90*time.Minute))
	if got := next(All(w, other)); got != 30*time.Minute {
		t.Errorf("got %v", got)
	}
	request.Now = epoch.Add(time.Hour)
	if got := next(Not(Any(w, other))); got != 30*time.Minute+time.Second {
		t.Errorf("got %v", got)
	}
	request.Now = epoch.Add(3 * time.Hour)
	if got := next(Not(Any(w, other))); got != -1 {
		t.Errorf("got %v", got)
	}
	if got := next(Network(netip.MustParsePrefix("::/0"))); got != -1 {
		t.Errorf("got %v", got)
	}
}
