// Never built: only the schemas that these modules contain are read.
module publishedschemas

go 1.25

require (
	github.com/compose-spec/compose-go/v2 v2.16.2
	github.com/kedacore/keda/v2 v2.21.0
)
