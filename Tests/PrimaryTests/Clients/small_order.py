"""Prints, as hexadecimal digits, every encoding of a point of Curve25519 whose order divides 8.

From the equation of the curve alone (RFC 8032, section 5.1): the eight points are multiples of L times any point.
"""

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def multiply(count, point):
    total = (0, 1)
    while count:
        if count & 1:
            total = add(total, point)
        point = add(point, point)
        count >>= 1
    return total


def points():
    y = 2
    while True:
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        for root in (x, x * pow(2, (P - 1) // 4, P) % P):
            if root * root % P == square:
                yield (root, y)
                break
        y += 1


small = set()
for point in points():
    torsion = multiply(L, point)
    small |= {multiply(k, torsion) for k in range(8)}
    if len(small) == 8:
        break
assert all(multiply(8, point) == (0, 1) for point in small)
encodings = {y + more for _, y in small for more in (0, P) if y + more < 2**255}
for encoded in sorted(encodings):
    for sign in (0, 1):
        print((encoded | sign << 255).to_bytes(32, "little").hex())
