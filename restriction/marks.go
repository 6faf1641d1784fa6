package restriction

import "hash/maphash"

// marks is a set of entries of one key in all clauses of a policy. The first distinct
// entries have a mark of their own, and the others share the remaining marks.
type marks uint64

const (
	ownMarks = 32 // how many entries have a mark of their own

	// noEntry is the mark of what no clause lists. Only a clause without a list has it.
	noEntry marks = 1 << 63
	// sharedMarks are the marks that several entries may have.
	sharedMarks marks = noEntry - 1<<ownMarks
	// anyEntry is the marks of a clause without a list.
	anyEntry = ^marks(0)
)

// sharedMark returns one of the marks that entries share.
func sharedMark(n uint64) marks { return 1 << (ownMarks + n%(63-ownMarks)) }

// marked is the entries of one key that have a mark of their own.
type marked[E comparable] struct {
	few     [4]E // saves an allocation
	entries []E
	index   map[E]marks // of more than longList entries
}

func (m *marked[E]) some() bool { return len(m.entries) > 0 }

func (m *marked[E]) full() bool { return len(m.entries) == ownMarks }

// mark returns the mark of an entry, or noEntry.
func (m *marked[E]) mark(entry E) marks {
	if m.index != nil {
		if mark, ok := m.index[entry]; ok {
			return mark
		}
		return noEntry
	}
	for i := range m.entries {
		if m.entries[i] == entry {
			return 1 << i
		}
	}
	return noEntry
}

// add returns the mark of an entry, which may be new. It returns noEntry if m is full and
// does not have the entry.
func (m *marked[E]) add(entry E) marks {
	mark := m.mark(entry)
	if mark != noEntry || m.full() {
		return mark
	}
	mark = 1 << len(m.entries)
	if m.entries == nil {
		m.entries = m.few[:0]
	}
	m.entries = append(m.entries, entry)
	switch {
	case m.index != nil:
		m.index[entry] = mark
	case len(m.entries) > longList:
		m.index = make(map[E]marks, ownMarks)
		for i := range m.entries {
			m.index[m.entries[i]] = 1 << i
		}
	}
	return mark
}

// markedWords are the words of a key. The shared mark of a word depends on its hash, so
// that nothing has to remember it.
type markedWords struct{ marked[string] }

var wordSeed = maphash.MakeSeed()

func (m *markedWords) shared(word string) marks { return sharedMark(maphash.String(wordSeed, word)) }

func (m *markedWords) add(word string) marks {
	if mark := m.marked.add(word); mark != noEntry {
		return mark
	}
	return m.shared(word)
}

// all returns the marks of words that are asked for. Most lists are short.
func (m *markedWords) all(words []string) (all marks) {
	if m.index != nil {
		return m.lookUp(words)
	}
	entries := m.entries
next:
	for i := range words {
		for n := range entries {
			if entries[n] == words[i] {
				all |= 1 << n
				continue next
			}
		}
		all |= noEntry
	}
	return all
}

func (m *markedWords) lookUp(words []string) (all marks) {
	for _, word := range words {
		mark := m.mark(word)
		if mark == noEntry && m.full() {
			mark = m.shared(word)
		}
		all |= mark
	}
	return all
}

// markedBlocks are the blocks of the key hosts.
type markedBlocks struct {
	marked[span]
	more []span // with shared marks, perhaps repeated
}

func (m *markedBlocks) add(s span) marks {
	if mark := m.marked.add(s); mark != noEntry {
		return mark
	}
	m.more = append(m.more, s)
	return sharedMark(uint64(len(m.more) - 1))
}

// around returns the marks of the blocks that contain an address. noEntry is among them,
// for clauses without hosts.
func (m *markedBlocks) around(from point) marks {
	around := noEntry
	own, more := m.entries, m.more // not read again for each block
	for i := range own {
		if own[i].contains(from) {
			around |= 1 << i
		}
	}
	for i := range more {
		if s := &more[i]; from.lo&s.maskLo == s.first.lo && s.contains(from) {
			around |= sharedMark(uint64(i))
		}
	}
	return around
}
