"""python nss_database.py DIR CERT.der: a fresh NSS database that trusts one root, by libnss3 itself (no
certutil)."""

import ctypes
import sys
from pathlib import Path


def make(folder: str, der: bytes) -> None:
    nss = ctypes.CDLL("libnss3.so")
    smime = ctypes.CDLL("libsmime3.so")
    smime.CERT_DecodeCertFromPackage.restype = ctypes.c_void_p
    for name in ("PK11_GetInternalKeySlot", "CERT_GetDefaultCertDB"):
        getattr(nss, name).restype = ctypes.c_void_p
    assert nss.NSS_InitReadWrite(f"sql:{folder}".encode()) == 0
    slot = ctypes.c_void_p(nss.PK11_GetInternalKeySlot())
    if nss.PK11_NeedUserInit(slot):
        assert nss.PK11_InitPin(slot, None, b"") == 0
    cert = ctypes.c_void_p(smime.CERT_DecodeCertFromPackage(der, len(der)))
    assert nss.PK11_ImportCert(slot, cert, ctypes.c_ulong(0), b"root", 0) == 0
    trust = (ctypes.c_uint * 3)()
    assert nss.CERT_DecodeTrustString(ctypes.byref(trust), b"CT,C,C") == 0
    assert nss.CERT_ChangeCertTrust(ctypes.c_void_p(nss.CERT_GetDefaultCertDB()), cert, ctypes.byref(trust)) == 0
    assert nss.NSS_Shutdown() in (0, -1)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]).read_bytes())
