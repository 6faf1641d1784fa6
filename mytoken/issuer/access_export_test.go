package issuer

// Waiters returns how many requests wait for flights that have not landed.
func (i *Issuer) Waiters() int {
	i.refresher.mu.Lock()
	defer i.refresher.mu.Unlock()
	n := 0
	for _, f := range i.refresher.flights {
		n += f.waiters
	}
	return n
}

// Flights returns how many flights have not landed.
func (i *Issuer) Flights() int {
	i.refresher.mu.Lock()
	defer i.refresher.mu.Unlock()
	return len(i.refresher.flights)
}
