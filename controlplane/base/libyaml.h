/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libyaml's header, whose name is also that of our own: the next one on the include path. To be included with
 * <>, so that "next" is counted from this folder.
 */
#pragma once

#include_next <yaml.h>
