import type { Examples } from './example.ts';

const SHA256 = '98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4';
const ID = '01M8MXXKFYACTC22ZVQXSSNSKW';
const PATH = 'alice/Photos/a.jpg';
const AT = '2026-02-22T14:30:00Z';

const UPLOAD = {
  id: ID,
  path: PATH,
  size_bytes: 2_048,
  sha256: SHA256,
  state: 'queued',
  attempts: 0,
  created_at: AT,
  next_attempt_at: null,
  detail: null,
};
const PIN = {
  path: 'alice/Photos',
  state: 'kept',
  files: 120,
  size_bytes: 480_000_000,
  kept_files: 120,
  kept_bytes: 480_000_000,
  pending_files: 0,
  pending_bytes: 0,
  left_out_files: 0,
  created_at: AT,
  checked_at: AT,
};
const CONFLICT = {
  id: 7,
  upload_id: ID,
  path: 'alice/notes.txt',
  conflict_path: 'alice/notes (conflict 2026-02-22 14-30 alice).txt',
  size_bytes: 2_048,
  sha256: SHA256,
  found_at: AT,
  resolution: null,
};

export const FILE_EXAMPLES: Examples = {
  'files-list': {
    answer: {
      path: 'alice/Photos',
      files: [
        {
          name: 'a.jpg',
          path: PATH,
          size: 2_048,
          type: 'file',
          modified_at: AT,
          owner_id: '2',
          owner_name: 'alice',
          mime_type: 'image/jpeg',
          file_id: 41,
          checksum: null,
          id: 1_000_000_041,
          filename: 'a.jpg',
          relative_path: PATH,
          size_bytes: 2_048,
          is_directory: false,
          is_cached: true,
        },
      ],
    },
  },
  'files-download-query': { answer: null, texts: { '*/*': 'the bytes of the file' } },
  'files-download': { answer: null, texts: { '*/*': 'the bytes of the file' } },
  'files-upload': {
    body: { file: 'the bytes of the file', path: 'alice/Photos' },
    answer: {
      message: 'Files uploaded',
      uploaded: 1,
      upload_ids: [ID],
      id: ID,
      filename: 'a.jpg',
      size_bytes: 2_048,
      status: 'queued',
      files: [
        {
          id: ID,
          filename: 'a.jpg',
          path: PATH,
          size_bytes: 2_048,
          sha256: SHA256,
          status: 'queued',
        },
      ],
    },
  },
  'files-sync-status': {
    answer: {
      is_syncing: false,
      pending_uploads: 3,
      pending_changes: 0,
      waiting_for_owner: 0,
      pending_downloads: 0,
      conflicts: 1,
      nas_online: false,
      failed_uploads: 0,
      waiting_for_credential: [],
      oldest_pending_at: AT,
      last_sync: '2026-02-22T09:12:40Z',
    },
  },
  'files-uploads-list': { answer: { uploads: [UPLOAD] } },
  'files-uploads-retry': { answer: UPLOAD },
  'files-uploads-drop': { answer: { message: 'Dropped' } },
  'files-uploads-take-up': {
    body: { username: 'alice', path: 'alice/Photos/a.jpg' },
    answer: UPLOAD,
  },
  'sync-changes': {
    body: { device_id: 'desk-1', file_list: [] },
    answer: { to_download: [], to_delete: [], conflicts: [], change_token: 'of the NAS' },
  },
  'files-conflicts': { answer: { conflicts: [CONFLICT] } },
  'files-conflicts-resolve': {
    body: { resolution: 'renamed' },
    answer: { ...CONFLICT, resolution: 'renamed' },
  },
  'mobile-upload-queue': {
    answer: {
      items: [
        {
          id: ID,
          device_id: 'phone',
          folder_id: null,
          filename: 'a.jpg',
          remote_path: PATH,
          file_size: 2_048,
          file_size_bytes: 2_048,
          uploaded_bytes: 0,
          status: 'pending',
          error_message: null,
          retry_count: 0,
          created_at: AT,
        },
      ],
    },
  },
  'mobile-upload-queue-retry': { answer: { message: 'Queued again' } },
  'mobile-upload-queue-drop': { answer: { message: 'Dropped' } },
  'files-chunked-list': {
    answer: {
      uploads: [
        {
          upload_id: ID,
          filename: 'film.mp4',
          target_path: 'alice/Films',
          total_size: 734_003_200,
          received_bytes: 25_165_824,
          next_chunk_index: 3,
          chunk_size: 8_388_608,
          touched_at: '2026-02-22T14:30:00Z',
        },
      ],
    },
  },
  'files-chunked-init': {
    body: { filename: 'film.mp4', total_size: 734_003_200, target_path: 'alice/Films' },
    answer: { upload_id: ID, chunk_size: 10_485_760 },
  },
  'files-chunked-chunk': {
    body: 'the bytes of the chunk',
    answer: { received_bytes: 10_485_760 },
  },
  'files-chunked-complete': {
    answer: {
      path: 'alice/Films/film.mp4',
      size: 734_003_200,
      id: ID,
      sha256: SHA256,
      status: 'queued',
    },
  },
  'files-chunked-abort': { answer: { message: 'Upload aborted' } },
  'cache-stats': {
    answer: {
      total_files: 4_210,
      total_size_mb: 18_300.5,
      max_size_gb: 32,
      usage_percent: 57.2,
      dirty_files: 3,
      hit_rate_percent: 91.4,
      byte_hit_rate_percent: 84.2,
      evictions: 120,
      nas_wakes_avoided: 310,
    },
  },
  'cache-days': {
    answer: {
      days: [
        {
          date: '2026-02-22',
          hits: 240,
          misses: 12,
          hit_rate_percent: 95.2,
          hit_bytes: 812_000_000,
          miss_bytes: 40_000_000,
          byte_hit_rate_percent: 95.3,
          nas_wakes_avoided: 14,
          prefetched_files: 30,
          prefetched_bytes: 90_000_000,
          prefetched_used_files: 11,
          prefetched_used_bytes: 33_000_000,
        },
      ],
    },
  },
  'cache-usage': {
    answer: {
      users: [
        {
          username: 'alice',
          pins: 1,
          pinned_bytes: 480_000_000,
          share_bytes: 16_000_000_000,
          home_files: 1_204,
          home_bytes: 6_200_000_000,
          queued_bytes: 93_482_117,
        },
      ],
      shared: { files: 310, size_bytes: 2_100_000_000 },
      unread_files: 19,
      unread_bytes: 57_000_000,
      unread: [
        {
          path: 'alice/Photos/IMG_0131.jpg',
          size_bytes: 3_011_200,
          fetched_at: '2026-02-22T14:02:11Z',
        },
      ],
      days: 30,
      prefetched_files: 410,
      prefetched_used_files: 187,
    },
  },
  'cache-pins': {
    answer: { pins: [PIN], share_bytes: 16_000_000_000, used_bytes: 480_000_000 },
  },
  'cache-pin': { body: { path: 'alice/Photos' }, answer: PIN },
  'cache-unpin': { body: { path: 'alice/Photos' }, answer: { message: 'Unpinned' } },
  'cache-empty': {
    body: { path: 'alice/Photos' },
    answer: { message: 'Emptied', removed_files: 120, removed_bytes: 480_000_000 },
  },
};
