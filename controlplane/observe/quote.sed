# SPDX-License-Identifier: BSD-3-Clause
# Lines of text -> lines of a C string.
s/\\/\\\\/g
s/"/\\"/g
s/^/"/
s/$/\\n"/
