// Not built: only the schemas that these modules have in them are read.
module definitions

go 1.25

require (
	github.com/compose-spec/compose-go/v2 v2.16.2
	github.com/kedacore/keda/v2 v2.21.0
)
