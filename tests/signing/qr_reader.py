"""Reads a QR code from a rendered page with somebody else's decoder."""

import cv2
import numpy as np


def qr_of(png: bytes) -> str:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return cv2.QRCodeDetector().detectAndDecode(picture)[0]
