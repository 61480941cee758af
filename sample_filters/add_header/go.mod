module add_header

go 1.24
