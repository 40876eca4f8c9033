// SPDX-License-Identifier: Apache-2.0

// A relay inside a Go program: embed CONFIG COUNT relays until COUNT events are published.
package main

/*
#cgo pkg-config: outbox
#include <stdlib.h>
#include <outbox/outbox.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"
	"unsafe"
)

// The relay runs on a thread of the library: it neither blocks nor uses a goroutine.
type relay struct{ handle *C.struct_outbox }

func start(config string) (*relay, error) {
	path := C.CString(config)
	defer C.free(unsafe.Pointer(path))
	var failure C.struct_outbox_error
	var options C.struct_outbox_options
	options.struct_size = C.sizeof_struct_outbox_options
	options.config_path = path
	made := &relay{}
	if C.outbox_new(&options, &made.handle, &failure) != C.OUTBOX_OK {
		return nil, errors.New(C.GoString(&failure.text[0]))
	}
	if C.outbox_start(made.handle, &failure) != C.OUTBOX_OK {
		C.outbox_free(made.handle)
		return nil, errors.New(C.GoString(&failure.text[0]))
	}
	return made, nil
}

func (r *relay) published() uint64 {
	var stats C.struct_outbox_stats
	stats.struct_size = C.sizeof_struct_outbox_stats
	C.outbox_stats(r.handle, &stats)
	return uint64(stats.settled)
}

func (r *relay) stop() {
	C.outbox_stop(r.handle, 10000, nil)
	C.outbox_free(r.handle)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: embed CONFIG COUNT")
		os.Exit(64)
	}
	count, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err != nil {
		log.Fatal("embed: ", err)
	}
	relay, err := start(os.Args[1])
	if err != nil {
		log.Fatal("embed: ", err)
	}
	for deadline := time.Now().Add(30 * time.Second); relay.published() < count && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("published", relay.published())
	relay.stop()
}
