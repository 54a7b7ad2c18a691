module helmapp.io/oracle/judge

go 1.24.0
