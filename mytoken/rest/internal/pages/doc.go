// Package pages makes the pages of a mytoken service: the consent page, the pages on
// which users manage their tokens, and messages.
//
// Each page is an html/template of the folder html with a struct of data.go. The comment
// of package rest lists the data for operators who replace a page. A page needs no
// JavaScript: the buttons of its form send it, and it comes back changed.
//
// The package renders pages and reads their forms. It knows no request, cookie or route,
// and leaves every decision about a token to its caller.
package pages
