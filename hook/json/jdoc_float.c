/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Write a double in JSON, digit for digit as Nix does.
 *
 * Nix uses the Grisu2 algorithm (F. Loitsch, "Printing Floating-Point Numbers Quickly and
 * Accurately with Integers", PLDI 2010). Its digits read back to the same double, but for about one
 * double in a thousand they are not the shortest such digits. A printer that always finds the
 * shortest would differ there. So this is Grisu2 with the choices of Nix's library: powers of ten
 * in steps of eight, exponents in [-60, -32], boundaries made one unit narrower on both sides.
 *
 * Theory: let v = f * 2^e, and let m- and m+ be the middles between v and its two neighbours. All
 * reals between m- and m+ read back to v. The three numbers are scaled by a power of ten c, cached
 * with 64 bits, so that the integer part of m+ * c fits 32 bits. Then digits of m+ are made until
 * the rest is less than m+ - m-, and the last digit is lowered as long as that brings it closer to
 * v.
 */
#include "hook/json/jdoc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* f * 2^e */
struct fp {
	uint64_t f;
	int e;
};

struct power {
	uint64_t f;
	int e, k; /* f * 2^e is 10^k, rounded to 64 bits */
};

#define POWER_FIRST (-300)
#define POWER_STEP 8
#define EXPONENT_MIN (-60)
/* 17 digits are enough for any double; the loops make 20 at most. */
#define DIGITS_MAX 24

/* round(10^k / 2^e), computed exactly, with e such that the highest bit is set. */
static const struct power powers[] = {
	{0xab70fe17c79ac6ca, -1060, -300}, {0xff77b1fcbebcdc4f, -1034, -292},
	{0xbe5691ef416bd60c, -1007, -284}, {0x8dd01fad907ffc3c, -980, -276},
	{0xd3515c2831559a83, -954, -268},  {0x9d71ac8fada6c9b5, -927, -260},
	{0xea9c227723ee8bcb, -901, -252},  {0xaecc49914078536d, -874, -244},
	{0x823c12795db6ce57, -847, -236},  {0xc21094364dfb5637, -821, -228},
	{0x9096ea6f3848984f, -794, -220},  {0xd77485cb25823ac7, -768, -212},
	{0xa086cfcd97bf97f4, -741, -204},  {0xef340a98172aace5, -715, -196},
	{0xb23867fb2a35b28e, -688, -188},  {0x84c8d4dfd2c63f3b, -661, -180},
	{0xc5dd44271ad3cdba, -635, -172},  {0x936b9fcebb25c996, -608, -164},
	{0xdbac6c247d62a584, -582, -156},  {0xa3ab66580d5fdaf6, -555, -148},
	{0xf3e2f893dec3f126, -529, -140},  {0xb5b5ada8aaff80b8, -502, -132},
	{0x87625f056c7c4a8b, -475, -124},  {0xc9bcff6034c13053, -449, -116},
	{0x964e858c91ba2655, -422, -108},  {0xdff9772470297ebd, -396, -100},
	{0xa6dfbd9fb8e5b88f, -369, -92},   {0xf8a95fcf88747d94, -343, -84},
	{0xb94470938fa89bcf, -316, -76},   {0x8a08f0f8bf0f156b, -289, -68},
	{0xcdb02555653131b6, -263, -60},   {0x993fe2c6d07b7fac, -236, -52},
	{0xe45c10c42a2b3b06, -210, -44},   {0xaa242499697392d3, -183, -36},
	{0xfd87b5f28300ca0e, -157, -28},   {0xbce5086492111aeb, -130, -20},
	{0x8cbccc096f5088cc, -103, -12},   {0xd1b71758e219652c, -77, -4},
	{0x9c40000000000000, -50, 4},      {0xe8d4a51000000000, -24, 12},
	{0xad78ebc5ac620000, 3, 20},       {0x813f3978f8940984, 30, 28},
	{0xc097ce7bc90715b3, 56, 36},      {0x8f7e32ce7bea5c70, 83, 44},
	{0xd5d238a4abe98068, 109, 52},     {0x9f4f2726179a2245, 136, 60},
	{0xed63a231d4c4fb27, 162, 68},     {0xb0de65388cc8ada8, 189, 76},
	{0x83c7088e1aab65db, 216, 84},     {0xc45d1df942711d9a, 242, 92},
	{0x924d692ca61be758, 269, 100},    {0xda01ee641a708dea, 295, 108},
	{0xa26da3999aef774a, 322, 116},    {0xf209787bb47d6b85, 348, 124},
	{0xb454e4a179dd1877, 375, 132},    {0x865b86925b9bc5c2, 402, 140},
	{0xc83553c5c8965d3d, 428, 148},    {0x952ab45cfa97a0b3, 455, 156},
	{0xde469fbd99a05fe3, 481, 164},    {0xa59bc234db398c25, 508, 172},
	{0xf6c69a72a3989f5c, 534, 180},    {0xb7dcbf5354e9bece, 561, 188},
	{0x88fcf317f22241e2, 588, 196},    {0xcc20ce9bd35c78a5, 614, 204},
	{0x98165af37b2153df, 641, 212},    {0xe2a0b5dc971f303a, 667, 220},
	{0xa8d9d1535ce3b396, 694, 228},    {0xfb9b7cd9a4a7443c, 720, 236},
	{0xbb764c4ca7a44410, 747, 244},    {0x8bab8eefb6409c1a, 774, 252},
	{0xd01fef10a657842c, 800, 260},    {0x9b10a4e5e9913129, 827, 268},
	{0xe7109bfba19c0c9d, 853, 276},    {0xac2820d9623bf429, 880, 284},
	{0x80444b5e7aa7cf85, 907, 292},    {0xbf21e44003acdd2d, 933, 300},
	{0x8e679c2f5e44ff8f, 960, 308},    {0xd433179d9c8cb841, 986, 316},
	{0x9e19db92b4e31ba9, 1013, 324},
};

static struct fp fp_normalise(struct fp x)
{
	int shift = __builtin_clzll(x.f);

	return (struct fp){x.f << shift, x.e - shift};
}

/* Multiply, and keep the upper 64 bits of the product, rounded. */
static struct fp fp_mul(struct fp x, struct fp y)
{
	__extension__ unsigned __int128 p = (unsigned __int128)x.f * y.f;

	p += (uint64_t)1 << 63;
	return (struct fp){(uint64_t)(p >> 64), x.e + y.e + 64};
}

/* Return the cached power that scales a number with the binary exponent E into the range needed. */
static const struct power *power_for(int e)
{
	/* k is the smallest with 10^k >= 2^f; 78913 / 2^18 is just above log10(2). */
	int f = EXPONENT_MIN - e - 1;
	int k = f * 78913 / (1 << 18) + (f > 0);
	int i = (-POWER_FIRST + k + POWER_STEP - 1) / POWER_STEP;

	assert(i >= 0 && (size_t)i < ARRAY_SIZE(powers));
	return &powers[i];
}

/* The interval of reals that read back to the number, scaled as the number itself. */
struct interval {
	uint64_t delta; /* its upper end minus its lower end */
	uint64_t dist;  /* its upper end minus the number */
};

/* Lower the last digit while that gets closer to the number and stays in the interval. */
static void round_last(char *digits, int n, const struct interval *in, uint64_t rest, uint64_t unit)
{
	while (rest < in->dist && in->delta - rest >= unit &&
	       (rest + unit < in->dist || in->dist - rest > rest + unit - in->dist)) {
		digits[n - 1]--;
		rest += unit;
	}
}

/*
 * Append digits of FRACTION, which has BITS bits, to the N digits of the integer part, and lower
 * *EXPONENT by one for each. Returns how many digits there are in all.
 */
static int fraction_digits(char *digits, int n, int *exponent, uint64_t fraction, int bits,
			   struct interval in)
{
	const uint64_t one = (uint64_t)1 << bits;

	do {
		fraction *= 10;
		assert(n < DIGITS_MAX);
		digits[n++] = (char)('0' + (fraction >> bits));
		fraction &= one - 1;
		in.delta *= 10;
		in.dist *= 10;
		--*exponent;
	} while (fraction > in.delta);
	round_last(digits, n, &in, fraction, one);
	return n;
}

/*
 * Make the digits of a number just below HIGH. Its value is 0.DIGITS * 10^(n + *EXPONENT), n being
 * how many digits there are. Returns n.
 */
static int make_digits(char *digits, int *exponent, struct fp high, struct interval in)
{
	const int bits = -high.e; /* of the fraction */
	const uint64_t fraction = high.f & (((uint64_t)1 << bits) - 1);
	uint32_t whole = (uint32_t)(high.f >> bits), unit = 1;
	int left = 1, n = 0;

	while (whole / unit >= 10) {
		unit *= 10;
		left++;
	}
	while (left > 0) {
		uint64_t rest;

		digits[n++] = (char)('0' + whole / unit);
		whole %= unit;
		left--;
		rest = ((uint64_t)whole << bits) + fraction;
		if (rest <= in.delta) {
			*exponent += left;
			round_last(digits, n, &in, rest, (uint64_t)unit << bits);
			return n;
		}
		unit /= 10;
	}
	return fraction_digits(digits, n, exponent, fraction, bits, in);
}

/* Make the digits of V, which is finite and greater than 0. Returns how many there are. */
static int double_digits(double v, char *digits, int *ret_exponent)
{
	const uint64_t hidden = (uint64_t)1 << 52;
	const struct power *c;
	struct fp w, plus, minus, scale;
	uint64_t bits, fraction;
	int biased;

	memcpy(&bits, &v, sizeof bits);
	fraction = bits & (hidden - 1);
	biased = (int)(bits >> 52);
	w = biased == 0 ? (struct fp){fraction, 1 - 1075}
			: (struct fp){fraction | hidden, biased - 1075};

	/* The gap to the neighbour below a power of two is half of the gap above. */
	plus = fp_normalise((struct fp){2 * w.f + 1, w.e - 1});
	if (fraction == 0 && biased > 1)
		minus = (struct fp){4 * w.f - 1, w.e - 2};
	else
		minus = (struct fp){2 * w.f - 1, w.e - 1};
	minus = (struct fp){minus.f << (minus.e - plus.e), plus.e};
	w = fp_normalise(w);

	c = power_for(plus.e);
	scale = (struct fp){c->f, c->e};
	w = fp_mul(w, scale);
	plus = fp_mul(plus, scale);
	minus = fp_mul(minus, scale);
	plus.f--;
	minus.f++;
	*ret_exponent = -c->k;
	return make_digits(digits, ret_exponent, plus,
			   (struct interval){plus.f - minus.f, plus.f - w.f});
}

void jdoc_float_text(double v, char *ret)
{
	char digits[DIGITS_MAX + 1] = "";
	const char *sign = __builtin_signbit(v) ? "-" : "";
	int n, exponent, point;

	if (v == 0) {
		snprintf(ret, JDOC_FLOAT_MAX, "%s0.0", sign);
		return;
	}
	n = double_digits(v < 0 ? -v : v, digits, &exponent);
	point = n + exponent; /* how many digits precede the decimal point */
	if (n <= point && point <= 15)
		snprintf(ret, JDOC_FLOAT_MAX, "%s%s%.*s.0", sign, digits, point - n,
			 "000000000000000");
	else if (0 < point && point <= 15)
		snprintf(ret, JDOC_FLOAT_MAX, "%s%.*s.%s", sign, point, digits, digits + point);
	else if (-4 < point && point <= 0)
		snprintf(ret, JDOC_FLOAT_MAX, "%s0.%.*s%s", sign, -point, "000", digits);
	else if (n == 1)
		snprintf(ret, JDOC_FLOAT_MAX, "%s%se%+03d", sign, digits, point - 1);
	else
		snprintf(ret, JDOC_FLOAT_MAX, "%s%c.%se%+03d", sign, digits[0], digits + 1,
			 point - 1);
}
