/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The append-only dictionary label set -> identity number. A number, once given, means the same label set for
 * ever; so a binding made before a commit can never mean somebody else after it. In memory; the store keeps
 * it. Keyed by canonical text (struct identity.text). Reserved identities have their fixed numbers and are
 * always there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct dictionary;

struct dictionary *dictionary_new(void);
void dictionary_free(struct dictionary *d);
/* The number of `text`, or 0. */
uint16_t dictionary_find(const struct dictionary *d, const char *text);
/* The number of `text`, given now if it has none; 0 if all 65,504 are used. */
uint16_t dictionary_number(struct dictionary *d, const char *text);
/* The text of a number ("$unknown", ...), or NULL. */
const char *dictionary_text(const struct dictionary *d, uint16_t number);
/* One more than the highest number in use, at least IDENTITY_FIRST: the size an image or a binding is made
 * for. */
uint32_t dictionary_size(const struct dictionary *d);
/* Restore one entry, in ascending order of numbers. 0 or -EINVAL. */
int dictionary_restore(struct dictionary *d, uint16_t number, const char *text);
