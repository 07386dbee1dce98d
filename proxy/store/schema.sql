CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0010');
CREATE TABLE answers (
	name VARCHAR(64) NOT NULL,
	at_ms BIGINT NOT NULL,
	size INTEGER NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE cooldowns (
	provider VARCHAR(64) NOT NULL,
	model VARCHAR(128) NOT NULL,
	until DATETIME NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (provider, model)
);
CREATE TABLE requests (
	id INTEGER NOT NULL,
	request_id VARCHAR(128) NOT NULL,
	at_ms BIGINT NOT NULL,
	app VARCHAR(128),
	asked VARCHAR(128) NOT NULL,
	provider VARCHAR(64),
	model VARCHAR(128),
	first_choice VARCHAR(64),
	stream BOOLEAN NOT NULL,
	status INTEGER NOT NULL,
	error VARCHAR(128),
	finish VARCHAR(32),
	prompt INTEGER NOT NULL,
	completion INTEGER NOT NULL,
	reasoning INTEGER,
	cached INTEGER,
	estimated BOOLEAN NOT NULL,
	first_s FLOAT,
	total_s FLOAT NOT NULL,
	waited_s FLOAT NOT NULL,
	bytes_in BIGINT NOT NULL,
	bytes_out BIGINT NOT NULL,
	attempts INTEGER NOT NULL,
	rotated BOOLEAN NOT NULL,
	cancelled BOOLEAN NOT NULL,
	partial BOOLEAN NOT NULL,
	story TEXT NOT NULL,
	list_nano_usd BIGINT,
	billed BOOLEAN DEFAULT 0 NOT NULL,
	arm VARCHAR(64),
	loading_s FLOAT,
	PRIMARY KEY (id)
);
CREATE TABLE response_items (
	item VARCHAR(128) NOT NULL,
	name VARCHAR(128) NOT NULL,
	PRIMARY KEY (item)
);
CREATE TABLE responses (
	name VARCHAR(128) NOT NULL,
	owner VARCHAR(128) NOT NULL,
	at_ms BIGINT NOT NULL,
	size INTEGER NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE signatures (
	call_id VARCHAR(128) NOT NULL,
	value TEXT NOT NULL,
	created_at DATETIME NOT NULL,
	PRIMARY KEY (call_id)
);
CREATE TABLE team_keys (
	id INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	ending VARCHAR(4) NOT NULL,
	role VARCHAR(16) NOT NULL,
	requests_per_minute INTEGER,
	tokens_per_minute INTEGER,
	day_nano_usd BIGINT,
	month_nano_usd BIGINT,
	models JSON NOT NULL,
	providers JSON NOT NULL,
	created_ms BIGINT NOT NULL,
	revoked_ms BIGINT,
	PRIMARY KEY (id)
);
CREATE TABLE usage_marks (
	name VARCHAR(16) NOT NULL,
	up_to BIGINT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE usage_sums (
	kind VARCHAR(16) NOT NULL,
	begin_ms BIGINT NOT NULL,
	name VARCHAR(128) NOT NULL,
	requests BIGINT NOT NULL,
	errors BIGINT NOT NULL,
	cancelled BIGINT NOT NULL,
	rotated BIGINT NOT NULL,
	prompt BIGINT NOT NULL,
	completion BIGINT NOT NULL,
	estimated BIGINT NOT NULL,
	cost_nano_usd BIGINT NOT NULL,
	list_nano_usd BIGINT NOT NULL,
	unpriced BIGINT NOT NULL,
	answered BIGINT NOT NULL,
	cut BIGINT NOT NULL,
	PRIMARY KEY (kind, begin_ms, name)
);
CREATE TABLE user_preferences (
	id VARCHAR(128) DEFAULT 'default' NOT NULL,
	default_llm_provider VARCHAR(64) DEFAULT 'ollama',
	models JSON NOT NULL,
	aliases JSON NOT NULL,
	fallback JSON NOT NULL,
	rate_preset VARCHAR(16),
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	local_only BOOLEAN,
	split JSON,
	PRIMARY KEY (id)
);
CREATE TABLE verdicts (
	id INTEGER NOT NULL,
	at_ms BIGINT NOT NULL,
	provider VARCHAR(64) NOT NULL,
	model VARCHAR(128) NOT NULL,
	won BOOLEAN NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_signatures_created_at ON signatures (created_at);
CREATE INDEX ix_requests_at_ms ON requests (at_ms);
CREATE INDEX ix_verdicts_at_ms ON verdicts (at_ms);
CREATE INDEX ix_responses_at_ms ON responses (at_ms);
CREATE INDEX ix_response_items_name ON response_items (name);
CREATE INDEX ix_answers_at_ms_size ON answers (at_ms, size);
