CREATE TABLE cells (
	run INTEGER NOT NULL, 
	corruption TEXT NOT NULL, 
	severity INTEGER NOT NULL, 
	n_blocks INTEGER NOT NULL, 
	n_images INTEGER NOT NULL, 
	n_top1 INTEGER NOT NULL, 
	n_top5 INTEGER NOT NULL, 
	negative_log_likelihood_sum DOUBLE NOT NULL, 
	seconds DOUBLE NOT NULL, 
	digest TEXT, 
	made_from TEXT, 
	PRIMARY KEY (run, corruption, severity), 
	FOREIGN KEY(run) REFERENCES runs ("key") ON DELETE CASCADE, 
	CONSTRAINT cells_condition CHECK (severity >= 0), 
	CONSTRAINT cells_counts CHECK (0 <= n_top1 AND n_top1 <= n_top5 AND n_top5 <= n_images AND n_images > 0), 
	CONSTRAINT cells_n_blocks CHECK (n_blocks > 0)
)
 WITHOUT ROWID

;
CREATE TABLE image_sets (
	fingerprint TEXT NOT NULL, 
	name TEXT NOT NULL, 
	label_set TEXT NOT NULL, 
	n_images INTEGER NOT NULL, 
	content BLOB NOT NULL, 
	PRIMARY KEY (fingerprint), 
	CONSTRAINT image_sets_fingerprint CHECK (length(fingerprint) = 64), 
	CONSTRAINT image_sets_n_images CHECK (n_images > 0)
);
CREATE TABLE pieces (
	run INTEGER NOT NULL, 
	corruption TEXT NOT NULL, 
	severity INTEGER NOT NULL, 
	block INTEGER NOT NULL, 
	n_images INTEGER NOT NULL, 
	n_top1 INTEGER NOT NULL, 
	n_top5 INTEGER NOT NULL, 
	negative_log_likelihood_sum DOUBLE NOT NULL, 
	seconds DOUBLE NOT NULL, 
	digest TEXT NOT NULL, 
	calibration BLOB NOT NULL, 
	correct BLOB NOT NULL, 
	made_from TEXT, 
	PRIMARY KEY (run, corruption, severity, block), 
	FOREIGN KEY(run) REFERENCES runs ("key") ON DELETE CASCADE, 
	CONSTRAINT pieces_condition CHECK (severity >= 0), 
	CONSTRAINT pieces_counts CHECK (0 <= n_top1 AND n_top1 <= n_top5 AND n_top5 <= n_images AND n_images > 0), 
	CONSTRAINT pieces_sums CHECK (negative_log_likelihood_sum >= 0 AND seconds >= 0), 
	CONSTRAINT pieces_block CHECK (block >= 0), 
	CONSTRAINT pieces_digest CHECK (length(digest) = 64)
)
 WITHOUT ROWID

;
CREATE TABLE protocols (
	fingerprint TEXT NOT NULL, 
	name TEXT NOT NULL, 
	fields TEXT NOT NULL, 
	PRIMARY KEY (fingerprint), 
	CONSTRAINT protocols_fingerprint CHECK (length(fingerprint) = 64)
);
CREATE TABLE replicates (
	run INTEGER NOT NULL, 
	seed BIGINT NOT NULL, 
	n_resamples INTEGER NOT NULL, 
	cells TEXT NOT NULL, 
	counts BLOB NOT NULL, 
	PRIMARY KEY (run, seed, n_resamples), 
	FOREIGN KEY(run) REFERENCES runs ("key") ON DELETE CASCADE, 
	CONSTRAINT replicates_cells CHECK (length(cells) = 64)
);
CREATE TABLE runs (
	"key" INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	model_fingerprint TEXT NOT NULL, 
	model_name TEXT NOT NULL, 
	checkpoint_sha256 TEXT NOT NULL, 
	weights TEXT NOT NULL, 
	n_params BIGINT NOT NULL, 
	n_classes INTEGER NOT NULL, 
	mean TEXT NOT NULL, 
	std TEXT NOT NULL, 
	protocol TEXT NOT NULL, 
	image_set TEXT NOT NULL, 
	block_size INTEGER NOT NULL, 
	created_at TEXT NOT NULL, 
	finished_at TEXT, 
	environment TEXT NOT NULL, 
	skipped TEXT NOT NULL, 
	PRIMARY KEY ("key"), 
	UNIQUE (id), 
	FOREIGN KEY(protocol) REFERENCES protocols (fingerprint), 
	FOREIGN KEY(image_set) REFERENCES image_sets (fingerprint), 
	CONSTRAINT runs_model_fingerprint CHECK (length(model_fingerprint) = 64), 
	CONSTRAINT runs_numbers CHECK (n_params >= 0 AND n_classes > 0 AND block_size > 0)
);
CREATE INDEX runs_by_model_and_protocol ON runs (model_fingerprint, protocol);
CREATE INDEX runs_by_model_name ON runs (model_name);
CREATE TABLE tags (
	run INTEGER NOT NULL, 
	tag TEXT NOT NULL, 
	PRIMARY KEY (run, tag), 
	FOREIGN KEY(run) REFERENCES runs ("key") ON DELETE CASCADE, 
	CONSTRAINT tags_tag CHECK (length(tag) > 0)
)
 WITHOUT ROWID

;
CREATE INDEX tags_by_tag ON tags (tag);
