// Package timeline draws a [forecast.Forecast], as text and as SVG.
//
//	f, err := forecast.New(token, now, time.Time{})
//	…
//	fmt.Print(timeline.Text(f, 80, forecast.Style{Start: now}))
//
// [Text] is for terminals and plain documents, [SVG] for pages and image files. Both
// include the sentences of [forecast.Forecast.Describe], so nothing depends on seeing
// the bars.
//
// All functions are pure: the same arguments give the same bytes. They are safe for
// concurrent use.
package timeline
