'use strict';
// What a test process loads, it finds compiled where the last one left it. By this file and not by NODE_COMPILE_CACHE,
// which all that tests start would inherit: V8 refuses what was compiled under other flags (`weft` sets some while it
// loads), so that each would compile and write anew what the other has written.
const { enableCompileCache } = require('node:module');
const { join } = require('node:path');

enableCompileCache(join(__dirname, '..', 'node_modules', '.cache', 'weft-compile'));
