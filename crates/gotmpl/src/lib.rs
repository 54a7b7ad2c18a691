//! Go's text/template, fmt and sprig.
