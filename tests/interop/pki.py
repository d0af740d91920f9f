"""Certificates of our own making: an authority, what it vouches for, and their TLSA records."""

import hashlib
import pathlib
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """An authority that vouches for whatever it is asked to."""

    def __init__(self, folder, name="Mailwright Test CA"):
        self.folder = pathlib.Path(folder)
        self.certificate = self.folder / f"{name.replace(' ', '-')}.pem"
        self.key = self.certificate.with_suffix(".key")
        tool("openssl", "req", "-x509", *KEY, "-days", "30", "-subj", f"/CN={name}",
             "-keyout", self.key, "-out", self.certificate,
             "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, file, *names, expired=False):
        """A chain and a key for these names; gives both files."""
        chain, key = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        request, extra = self.folder / f"{file}.csr", self.folder / f"{file}.ext"
        alternatives = ",".join(f"DNS:{name}" for name in names)
        extra.write_text(f"subjectAltName={alternatives}\nbasicConstraints=CA:FALSE\n"
                         "extendedKeyUsage=serverAuth\n")
        tool("openssl", "req", "-new", *KEY, "-subj", f"/CN={names[0]}", "-keyout", key,
             "-out", request)
        late = ["faketime", "10 days ago"] if expired else []
        tool(*late, "openssl", "x509", "-req", "-in", request, "-CA", self.certificate,
             "-CAkey", self.key, "-CAcreateserial", "-days", "5" if expired else "20",
             "-extfile", extra, "-out", chain)
        chain.write_text(chain.read_text() + self.certificate.read_text())
        for one in (chain, key):
            one.chmod(0o644)
        return chain, key


def key_digest(certificate):
    """SHA-256 of the public key of a file's first certificate, as a record `x 1 1` has it."""
    public = tool("openssl", "x509", "-in", certificate, "-noout", "-pubkey")
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public,
                         capture_output=True, check=True).stdout
    return hashlib.sha256(der).hexdigest()


def tool(*line):
    done = subprocess.run([str(word) for word in line], capture_output=True)
    if done.returncode:
        raise SystemExit(f"{line}: {done.stdout}{done.stderr}")
    return done.stdout
