package plan

import (
	"math"
	"slices"
	"time"
)

// grid cuts time into segments, in each of which the same phases and clauses are
// open, and places into columns, one for each host entry. A cell is a segment
// and a column.
type grid struct {
	cuts  []int64  // first seconds of the segments, and the second after the last
	hosts []string // by column
}

// newGrid cuts at every beginning and end.
func newGrid(times []seconds, hosts [][]string) *grid {
	var g grid
	for _, t := range times {
		g.cuts = append(g.cuts, t.first)
		if t.last == math.MaxInt64 {
			g.cuts = append(g.cuts, t.last)
		} else {
			g.cuts = append(g.cuts, t.last+1)
		}
	}
	slices.Sort(g.cuts)
	g.cuts = slices.Compact(g.cuts)
	for _, entries := range hosts {
		if len(entries) == 0 {
			g.hosts = append(g.hosts, anywhere)
		}
		g.hosts = append(g.hosts, entries...)
	}
	slices.Sort(g.hosts)
	g.hosts = slices.Compact(g.hosts)
	return &g
}

func (g *grid) segments() int { return len(g.cuts) - 1 }
func (g *grid) cells() int    { return g.segments() * len(g.hosts) }

// cell is the index of a cell.
func (g *grid) cell(segment, column int) int { return segment*len(g.hosts) + column }

// span returns the first and the last segment within a time.
func (g *grid) span(t seconds) (first, last int) {
	first, _ = slices.BinarySearch(g.cuts, t.first)
	if t.last == math.MaxInt64 {
		return first, g.segments() - 1
	}
	end, _ := slices.BinarySearch(g.cuts, t.last+1)
	return first, end - 1
}

// time is that of the segments from first to last.
func (g *grid) time(first, last int) seconds { return seconds{g.cuts[first], g.cuts[last+1] - 1} }

// columns are those that the entries admit.
func (g *grid) columns(entries []string) []bool {
	admitted := make([]bool, len(g.hosts))
	for i, host := range g.hosts {
		admitted[i] = covers(entries, host)
	}
	return admitted
}

// box is a range of segments and a set of columns.
type box struct {
	first, last int // segments, both included
	columns     []bool
}

func (g *grid) box(t seconds, entries []string) box {
	first, last := g.span(t)
	return box{first, last, g.columns(entries)}
}

func (b *box) has(segment, column int) bool {
	return segment >= b.first && segment <= b.last && b.columns[column]
}

// within reports whether other has every cell of b.
func (b *box) within(other *box) bool {
	if b.first < other.first || b.last > other.last {
		return false
	}
	for i, has := range b.columns {
		if has && !other.columns[i] {
			return false
		}
	}
	return true
}

// join returns the smallest box with the cells of both.
func (b box) join(other *box) box {
	columns := slices.Clone(b.columns)
	for i, has := range other.columns {
		columns[i] = columns[i] || has
	}
	return box{min(b.first, other.first), max(b.last, other.last), columns}
}

// each calls f for every cell.
func (b *box) each(g *grid, f func(segment, column, cell int)) {
	for segment := b.first; segment <= b.last; segment++ {
		for column, has := range b.columns {
			if has {
				f(segment, column, g.cell(segment, column))
			}
		}
	}
}

// entries are the hosts of the columns, without those that others cover; nil is
// anywhere.
func (g *grid) entries(columns []bool) []string {
	var all []string
	for i, has := range columns {
		if has && g.hosts[i] == anywhere {
			return nil
		} else if has {
			all = append(all, g.hosts[i])
		}
	}
	var kept []string
	for i, host := range all {
		if !slices.ContainsFunc(all[:i], func(other string) bool { return covers([]string{other}, host) }) &&
			!slices.ContainsFunc(all[i+1:], func(other string) bool {
				return covers([]string{other}, host) && !covers([]string{host}, other)
			}) {
			kept = append(kept, host)
		}
	}
	return kept
}

// instant is the form of a second in texts.
func instant(second int64) string { return time.Unix(second, 0).UTC().Format(time.RFC3339) }
