// Package pages renders the pages of a mytoken service: the consent page, the pages on
// which users manage their tokens, and messages.
//
// Each page is an html/template of the folder html with a struct of data.go. The comment
// of package rest lists the data for operators who replace a page. A page needs no
// JavaScript: each button sends the form, and a changed page comes back.
//
// The package renders pages and reads their forms. It handles no requests, cookies or
// routes, and decides nothing about tokens. The caller does.
package pages
