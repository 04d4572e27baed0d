// Not built: only the definitions of its resources are read.
module keda

go 1.25

require github.com/kedacore/keda/v2 v2.21.0
