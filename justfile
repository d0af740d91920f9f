# The same verbs for those who have just; nothing needs it.
test *args:
    cargo xtask test {{args}}

tidy:
    cargo xtask tidy

docs *args:
    cargo xtask docs {{args}}

bench name *args:
    cargo xtask bench {{name}} {{args}}

dev:
    cargo xtask dev
