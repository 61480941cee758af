package main

import "unsafe"

// The part of the Proxy-Wasm ABI 0.2.0 that this filter uses. Every import gives a status, 0 is Ok.

const (
	statusOk            = 0
	levelInfo           = 2
	levelError          = 4
	responseHeaders     = 2
	pluginConfiguration = 7
	actionContinue      = 0
	everything          = 0xFFFFFFFF
)

//go:wasmimport env proxy_log
func proxyLog(level uint32, message string) uint32

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(buffer, start, size uint32, data, length *uint32) uint32

//go:wasmimport env proxy_replace_header_map_value
func proxyReplaceHeaderMapValue(headers uint32, name, value string) uint32

// lent holds what the host asked for until a hostcall takes it: the collector must not see it as garbage meanwhile.
var lent = map[uint32][]byte{}

//go:wasmexport proxy_on_memory_allocate
func memoryAllocate(size uint32) uint32 {
	if size == 0 {
		return 0
	}
	block := make([]byte, size)
	address := uint32(uintptr(unsafe.Pointer(&block[0])))
	lent[address] = block
	return address
}

// configuration gives the bytes of the plugin's configuration; empty when there is none.
func configuration() ([]byte, uint32) {
	var address, size uint32
	status := proxyGetBufferBytes(pluginConfiguration, 0, everything, &address, &size)
	if status != statusOk || size == 0 {
		return nil, status
	}
	block := lent[address]
	delete(lent, address)
	return block[:size], statusOk
}

// Calls that a host makes of every filter and that have nothing to do here.

//go:wasmexport proxy_abi_version_0_2_0
func abiVersion() {}

//go:wasmexport proxy_on_vm_start
func vmStart(root, configurationSize uint32) uint32 { return 1 }

//go:wasmexport proxy_on_done
func done(context uint32) uint32 { return 1 }
