// A filter that sets one header on every response: `hello: world`, or what its configuration says.
package main

import "encoding/json"

type settings struct {
	Header string `json:"header"`
	Value  string `json:"value"`
}

// One VM may serve several plugin configurations, each with a root context of its own.
var (
	settingsOf = map[uint32]settings{} // by root context
	rootOf     = map[uint32]uint32{}   // by stream context
)

// main is never called: the module is a library (a WASI reactor), the host calls its exports.
func main() {}

//go:wasmexport proxy_on_context_create
func contextCreate(context, parent uint32) {
	if parent != 0 {
		rootOf[context] = parent
	}
}

//go:wasmexport proxy_on_configure
func configure(root, size uint32) uint32 {
	wanted := settings{Header: "hello", Value: "world"}
	raw, status := configuration()
	if status != statusOk {
		proxyLog(levelError, "add_header: the configuration cannot be read")
		return 0
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &wanted); err != nil {
			proxyLog(levelError, "add_header: the configuration is not {\"header\": TEXT, \"value\": TEXT}: "+err.Error())
			return 0
		}
	}
	if wanted.Header == "" {
		proxyLog(levelError, "add_header: the header has no name")
		return 0
	}
	settingsOf[root] = wanted
	proxyLog(levelInfo, "add_header: sets "+wanted.Header+": "+wanted.Value)
	return 1
}

//go:wasmexport proxy_on_response_headers
func responseHeadersArrived(context, count, endOfStream uint32) uint32 {
	wanted := settingsOf[rootOf[context]]
	if proxyReplaceHeaderMapValue(responseHeaders, wanted.Header, wanted.Value) != statusOk {
		proxyLog(levelError, "add_header: the host refused the header "+wanted.Header)
	}
	return actionContinue
}

//go:wasmexport proxy_on_delete
func deleteContext(context uint32) {
	delete(rootOf, context)
	delete(settingsOf, context)
}
