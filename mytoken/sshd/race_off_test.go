//go:build !race

package sshd_test

const raceDetector = false
