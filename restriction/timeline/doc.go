// Package timeline draws a [forecast.Forecast], as text and as SVG.
//
// [Text] is for terminals and plain documents, [SVG] for pages and image files. Both
// include the sentences of [forecast.Forecast.Describe], so a reader who cannot see the
// bars misses nothing.
//
// All functions are pure: the same arguments give the same bytes. They are safe for
// concurrent use.
package timeline
